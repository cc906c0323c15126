// CgiExchange: one request on its way through a Cgi: its body, the script, and the answer on its way back. Lives in the
// frame of Cgi::handle.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "handler/cgi.h"
#include "handler/collected_body.h"
#include "message/exchange.h"
#include "upstream/call.h"

namespace cutwater::handler {

class CgiExchange final : public message::ClientGoneListener, private CgiRunListener {
 public:
  // `cgi` and `exchange` outlive it.
  CgiExchange(Cgi& cgi, message::Exchange& exchange, ScriptFolder::Found found);
  // A script whose answer is not complete is ended.
  ~CgiExchange() override;
  CgiExchange(const CgiExchange&) = delete;
  CgiExchange& operator=(const CgiExchange&) = delete;

  base::Task<void> run();
  // A path of this server that is to answer, when run() has not.
  std::string take_instead() { return std::move(instead_); }

  // Who only closed its sending half may still read.
  bool on_client_gone(bool for_good) override;

 private:
  void on_run_over() override;
  base::Task<bool> collect();
  base::Task<bool> take_slot();
  base::Task<void> refuse(uint16_t status, bool retry = false);
  void leave_run();
  bool is_nph() const;
  std::string script_file() const { return found_.script->root + found_.script->file; }
  control::StartScript start_message() const;
  base::Result<base::FileDescriptor> input() const;
  std::optional<uint16_t> begin();
  base::Task<void> ask();
  base::Task<upstream::CallStatus> read_head(upstream::Call& call);
  base::Task<void> relay(upstream::Call& call);
  base::Task<void> note_instead(upstream::Call& call);
  base::Task<void> fail(const upstream::Call& call, upstream::CallStatus status);
  uint16_t explain_end(const ScriptEnd& end);
  uint16_t explain_refusal(const ScriptEnd& end);
  void explain_time();
  void explain_answer(const upstream::Call& call, upstream::CallStatus status);

  Cgi& cgi_;
  message::Exchange& exchange_;
  ScriptFolder::Found found_;
  std::optional<CollectedBody> body_;
  CgiSlots::Wait* waiting_ = nullptr;  // while it waits for a slot
  std::shared_ptr<CgiRun> run_;
  upstream::Call* call_ = nullptr;  // while one runs
  std::string instead_;
  bool client_gone_ = false;
  bool answered_ = false;  // the script has said all
};

}  // namespace cutwater::handler
