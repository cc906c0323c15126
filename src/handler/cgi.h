// Cgi: answers by running a CGI/1.1 script (RFC 3875) of a folder, which the spawner starts. What the request brings is
// complete before; what the script says is taken at its own pace, and kept for a client that is slower (faults.md
// 60-65, 113-115).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/file_descriptor.h"
#include "base/log.h"
#include "handler/cgi_run.h"
#include "handler/cgi_slots.h"
#include "handler/rate_limited_log.h"
#include "handler/refusals.h"
#include "handler/script_folder.h"
#include "handler/script_runner.h"
#include "handler/spool.h"
#include "handler/stderr_log.h"
#include "io/loop.h"
#include "message/exchange.h"
#include "upstream/call.h"

namespace cutwater::handler {

struct CgiOptions {
  std::string who = {};                               // "cgi /cgi-bin/*", for the log
  unsigned entry = 0;                                 // what the spawner calls it
  bool nph = false;                                   // scripts whose name begins with "nph-" write their own HTTP
  base::Duration timeout = std::chrono::seconds(30);  // of a script, whatever it does
  size_t most = 16;                                   // scripts at once
  size_t queue = 100;                                 // requests that may wait for them
  base::Duration queue_timeout = std::chrono::seconds(10);
};

class Cgi final : public message::Handler {
 public:
  // The others outlive this.
  Cgi(CgiOptions options, std::unique_ptr<ScriptFolder> scripts, ScriptRunner& runner, io::Loop& loop, SpoolArea& spool,
      base::LogSink& log);

  base::Task<void> handle(message::Exchange& exchange) override;

  // Who answers when a script names a path of ours instead (RFC 3875 section 6.2.2): outlives this.
  void redirect_within(message::Handler& site) { site_ = &site; }
  // Who sends the files beside the scripts: outlives this.
  void send_files(message::Handler& files) { files_ = &files; }

 private:
  friend class CgiExchange;

  base::Task<void> answer_instead(message::Exchange& exchange, std::string path);
  std::shared_ptr<CgiRun> make_run(const message::Exchange& exchange);
  void end_run(CgiRun& run);
  // `script`: whose it is, "" for the route's.
  void log_problem(std::string_view code, std::string_view what, std::string_view fix, std::string_view script = "");
  Refuser refuser() { return {options_.who, problems_, loop_.now()}; }

  const CgiOptions options_;
  upstream::CallOptions call_options_;
  std::unique_ptr<ScriptFolder> scripts_;
  ScriptRunner& runner_;
  io::Loop& loop_;
  SpoolArea& spool_;
  SpoolBudget spool_budget_;
  base::LogSink& log_;
  message::Handler* site_ = nullptr;
  message::Handler* files_ = nullptr;
  RateLimitedLog problems_;
  StderrPace stderr_pace_;
  CgiSlots slots_;
  base::FileDescriptor no_input_;                    // what a request without a body brings
  std::map<CgiRun*, std::shared_ptr<CgiRun>> runs_;  // each has a slot; exchanges may hold them, too
};

}  // namespace cutwater::handler
