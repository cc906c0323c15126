// Gateway: answers by asking a server behind us: one of an upstream's, the next one when that cannot be reached, as
// long as asking twice does no harm (faults.md 103-109, 116-118).
#pragma once

#include <string>
#include <string_view>

#include "base/log.h"
#include "handler/rate_limited_log.h"
#include "io/loop.h"
#include "message/exchange.h"
#include "upstream/http_call.h"
#include "upstream/peer_group.h"

namespace cutwater::handler {

struct GatewayOptions {
  std::string strip = {};                                    // taken off the path: "" or "/api"
  std::string instance = {};                                 // what this server calls itself in Via and CDN-Loop
  base::Duration timeout = std::chrono::seconds(60);         // longest silence of a server, and for all tries
  base::Duration connect_timeout = std::chrono::seconds(5);  // each
  unsigned retries = 1;                                      // other servers to ask when one fails
};

class Gateway final : public message::Handler {
 public:
  // The others outlive the gateway; `group` may be shared.
  Gateway(GatewayOptions options, upstream::PeerGroup& group, io::Loop& loop, base::LogSink& log);

  base::Task<void> handle(message::Exchange& exchange) override;

 private:
  friend class GatewayExchange;

  // A problem of one server: "upstream api: 10.0.0.5:8000 <what>".
  void log_problem(std::string_view code, const upstream::Peer& peer, std::string_view what, std::string_view fix);
  void note_failure(upstream::Peer& peer, upstream::Failure failure);
  void note_success(upstream::Peer& peer);
  // Seconds until a server that is down is tried again.
  std::string retry_after() const;

  GatewayOptions options_;
  upstream::CallOptions call_options_;
  upstream::PeerGroup& group_;
  io::Loop& loop_;
  base::LogSink& log_;
  RateLimitedLog problems_;
};

}  // namespace cutwater::handler
