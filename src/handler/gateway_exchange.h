// GatewayExchange: one request on its way through a Gateway: the servers it was tried at, and the answer on its way
// back. Lives in the frame of Gateway::handle.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "handler/error_pages.h"
#include "handler/gateway.h"
#include "handler/gateway_connection.h"
#include "handler/stderr_log.h"
#include "message/exchange.h"
#include "upstream/call.h"
#include "upstream/request_body.h"
#include "upstream/tunnel.h"

namespace cutwater::handler {

class SpooledAnswer;

class GatewayExchange final : public message::ClientGoneListener, private PooledProcessListener {
 public:
  // All outlive it. `script`: the one that was found for the request, where one must be. `file`: what a filter gets.
  GatewayExchange(Gateway& gateway, message::Exchange& exchange, upstream::RequestBody& body,
                  const Script* script = nullptr, const FilteredFile* file = nullptr);
  ~GatewayExchange();
  GatewayExchange(const GatewayExchange&) = delete;
  GatewayExchange& operator=(const GatewayExchange&) = delete;

  base::Task<void> run();
  // What is to answer, when run() has not.
  bool has_instead() const { return instead_.file || !instead_.path.empty(); }
  Instead take_instead() { return std::move(instead_); }

  // Who only closed its sending half may still read: that is for whoever answers instead.
  bool on_client_gone(bool for_good) override;

 private:
  // What became of a try.
  enum class Outcome {
    kAnswered,     // or nobody is left to answer
    kStale,        // a kept connection had ended: the same server may be asked on a new one
    kInCompany,    // what ended a shared connection may be another one's fault: likewise, with nobody beside it
    kNoRoom,       // the server takes no more on a shared connection: likewise, as it had nothing of the request
    kUndelivered,  // the server had nothing of the request
    kDelivered,    // it may have begun to act on it
    kFinal,        // another try would not help, or not be right
  };

  // At the end of a try: the process that ran it is free, or it is waited for until it is.
  struct ProcessKeeper {
    GatewayExchange& exchange;
    GatewayConnection& connection;
    std::unique_ptr<upstream::Call>& made;
    ~ProcessKeeper();
  };

  void on_process_time_over() override;
  base::Task<void> run_in_pool();
  base::Task<void> answer_no_process(GatewayPool::Outcome outcome);
  base::Task<Outcome> judge_in_pool(const upstream::Call& call, upstream::CallStatus status,
                                    const GatewayConnection& connection);
  void free_server();
  void leave_process(const upstream::Call& call, GatewayConnection& connection);
  base::Task<Outcome> try_peer(upstream::Peer& peer);
  base::Task<upstream::CallStatus> pass_hints(upstream::Call& call);
  bool names_another(upstream::Call& call) const;
  base::Task<void> note_instead(upstream::Peer& peer, upstream::Call& call, GatewayConnection& connection);
  base::Task<void> cut(upstream::Peer& peer, upstream::Call& call, upstream::CallStatus status,
                       GatewayConnection& connection, SpooledAnswer* spooled = nullptr);
  bool may_leave(upstream::Call& call) const;
  void leave(upstream::Peer& peer, upstream::Call& call, GatewayConnection& connection);
  void keep(upstream::Peer& peer, upstream::Call& call, GatewayConnection& connection);
  base::Task<void> relay(upstream::Peer& peer, upstream::Call& call, GatewayConnection& connection);
  base::Task<void> tunnel(upstream::Peer& peer, upstream::Call& call, io::Stream& stream);
  Outcome judge(upstream::Peer& peer, const upstream::Call& call, upstream::CallStatus status,
                const GatewayConnection& connection);
  bool has_no_room(upstream::Peer& peer, upstream::CallStatus status, const GatewayConnection& connection);
  Outcome cannot_connect(upstream::Peer& peer, int error);
  void note_cut(upstream::Peer& peer, const upstream::Call& call, upstream::CallStatus status,
                const GatewayConnection& connection);
  void log_foreign_answer(const upstream::Peer& peer, const char* reason, bool beside_others = false);
  void note_excess(const upstream::Peer& peer, std::string_view consequence);
  void note_cut_off();
  static bool is_told(upstream::CallStatus status, const GatewayConnection& connection);
  bool note_nonsense(upstream::Peer& peer, const GatewayConnection& connection);
  void note_too_long();
  void note_lost_file();
  bool may_repeat(Outcome outcome) const;
  base::Task<void> answer_client_failure(message::BodyStatus status);
  base::Task<void> answer_nobody_up();

  Gateway& gateway_;
  message::Exchange& exchange_;
  upstream::RequestBody& body_;
  const Script* script_;
  const FilteredFile* file_;
  StderrLog errors_;
  Instead instead_;
  std::string head_;
  std::vector<const upstream::Peer*> tried_;
  std::optional<upstream::PeerUse> use_;  // as long as the server has something to do
  GatewayPool::Wait* waiting_ = nullptr;  // while it waits for a process
  std::shared_ptr<PooledProcess> process_;
  upstream::Call* call_ = nullptr;      // while one runs
  upstream::Tunnel* tunnel_ = nullptr;  // then this
  base::Instant end_{};                 // no other server is asked from then on
  uint16_t failure_ = 502;              // what to answer when no other server is tried
  Cause cause_ = Cause::kOfStatus;      // and why
  base::Instant begun_{};               // the last try
  bool keeps_ = true;                   // the server was told that the connection stays
  bool only_fresh_ = false;             // a kept connection had ended: no other kept one
  bool alone_ = false;                  // nobody shares its connection: it may be what breaks them
  bool cut_in_company_ = false;         // the last try, before the client had anything
  bool asked_ = false;                  // some server that was believed to work, or took the connection
  bool hinted_ = false;                 // the client has had something of an answer
  bool client_gone_ = false;
};

}  // namespace cutwater::handler
