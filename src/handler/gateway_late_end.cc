#include "handler/gateway_late_end.h"

#include <fmt/format.h>

#include <utility>

#include "handler/gateway.h"
#include "handler/stderr_log.h"

namespace cutwater::handler {

using upstream::CallRest;

// A server that took its time is as well as it was; it said that it was done only in `outcome`.
void Gateway::judge_late_end(GatewayLateEnd& late, CallRest::Outcome outcome) {
  upstream::Peer& peer = late.use->peer();
  const std::string request = late.method + " " + late.path;
  if (late.rest->went_on()) note_excess(peer, request, "what it sent then was dropped");
  if (outcome == CallRest::Outcome::kTimedOut) {
    return log_problem("CW0605", peer,
                       fmt::format("has not ended its answer to {} within timeout; the client had all of it, "
                                   "the connection was given up",
                                   request),
                       "raise `timeout` of the route if it is to work on behind its answer, or see what keeps it");
  }
  if (outcome == CallRest::Outcome::kGivenUp) return;
  if (outcome != CallRest::Outcome::kBroken) return note_success(peer);
  upstream::SharedRequest* const shared = late.connection.shared;
  if (shared && shared->broke() && !shared->take_blame()) return;
  note_failure(peer, upstream::Failure::kAtOnce);
  log_problem("CW0604", peer,
              fmt::format("did not end its answer to {} as it should; the client had all of it: {}", request,
                          late.rest->reason()),
              "its own log says why");
}

base::Task<void> await_late_end(Gateway& gateway, std::unique_ptr<GatewayLateEnd> late) {
  GatewayConnection& connection = late->connection;
  CallRest::Outcome outcome;
  {
    StderrLog errors(gateway.log_, gateway.stderr_pace_, gateway.who(), late->request_id, "CW0608", late->method,
                     late->path);
    io::Loop& loop = gateway.loop_;
    const base::Instant deadline = loop.now() + gateway.call_options_.silence;
    auto running = late->rest->run(loop, *connection.stream, errors, deadline);
    outcome = co_await running;
  }
  // The pool says how its processes end.
  const bool is_told = late->process && (late->process->timed_out() || late->process->ended());
  if (!is_told) gateway.judge_late_end(*late, outcome);
  const bool ended = outcome == CallRest::Outcome::kReusable || outcome == CallRest::Outcome::kEnded;
  if (outcome == CallRest::Outcome::kReusable && late->keeps) {
    keep_connection(late->use->peer(), gateway.options_.protocol, connection);
  } else {
    connection.stream->close();
  }
  late->use.reset();
  if (late->process) ended ? late->process->done() : late->process->finish(true);
  gateway.loop_.run_hooks_again();  // the front may wait for this to end
}

}  // namespace cutwater::handler
