#include "serve/active_exchange.h"

#include <chrono>

#include "serve/foreign_protocol.h"

namespace cutwater::serve {

namespace {

constexpr base::Duration kDrainTime = std::chrono::seconds(5);

}  // namespace

ActiveExchange::ActiveExchange(ServerState& server, const ClientSide& client, ActiveExchange*& place)
    : server_(server),
      stream_(client.stream),
      input_(client.input),
      place_(place),
      memory_(server.exchanges.take()),
      output_(server.loop, stream_, client.pace, memory_->output, Output::Timing::kWithOthers),
      writer_(output_, memory_->request, server.dates, server.options, server.draining),
      body_(server.loop, stream_, input_, server.options, writer_),
      core_(server, *memory_, writer_, body_, client.peer, client.local) {
  writer_.set_body(body_);
  place_ = this;
}

base::Task<Ending> ActiveExchange::run(ServerState& server, const ClientSide& client, ActiveExchange*& place) {
  ActiveExchange exchange(server, client, place);
  ExchangeCore& core = exchange.core_;
  RequestHead head(server.options, *exchange.memory_);
  auto taken = head.take_from(client.input);
  if (taken == RequestHead::Outcome::kIncomplete) {
    auto waiting = exchange.wait_for_head(head);
    taken = co_await waiting;
  }
  if (head.modifier() != 0) {
    warn_of_modifier(server, client.local, head.modifier());
  } else if (head.foreign() && core.is_trusted_web_server()) {
    warn_of_foreigner(server, client.local, head.foreign());
  }
  core.refused_because(head.reason());
  if (taken == RequestHead::Outcome::kUnspoken) {
    core.report();
    co_return Ending::kClose;
  }
  const uint16_t refusal = taken == RequestHead::Outcome::kComplete ? exchange.parse(head) : head.status();
  if (!core.answer_itself(refusal)) {
    auto handling = core.start_handler();
    auto caught = handling.caught();
    const std::exception_ptr failure = co_await caught;
    core.end_handler(failure);
    if (const char* reason = exchange.body_.refused()) core.refused_because(reason);
  }
  {
    auto turn = exchange.output_.turn_over();
    co_await turn;
  }
  bool keep = exchange.writer_.complete() && exchange.writer_.keeps_alive() && !exchange.output_.failed();
  if (exchange.output_.pending() > 0 || (keep && !exchange.body_.complete())) {
    auto settling = exchange.settle(keep);
    keep = co_await settling;
  }
  core.report();
  co_return keep ? Ending::kKeepAlive : exchange.how_to_close();
}

uint16_t ActiveExchange::parse(RequestHead& head) {
  if (const uint16_t status = core_.parse(head); status != 0) return status;
  body_.begin(memory_->request);
  return core_.check();
}

// The deadline is absolute, from the head's first byte: bytes that trickle in do not move it (faults.md 69).
base::Task<RequestHead::Outcome> ActiveExchange::wait_for_head(RequestHead& head) {
  const base::Instant deadline = core_.exchange().began + server_.options.header_timeout;
  while (true) {
    if (co_await stream_.readable(deadline) == io::WaitResult::kTimedOut) co_return head.timed_out();
    const io::IoResult received = input_.receive(stream_);
    if (received.status == io::IoStatus::kWouldBlock) continue;
    if (received.status != io::IoStatus::kDone) co_return head.client_left();
    const auto taken = head.take_from(input_);
    if (taken != RequestHead::Outcome::kIncomplete) co_return taken;
  }
}

// The answer is written; now it must reach the client, and the rest of the request must go (faults.md 31).
// Returns whether the connection can still go on.
base::Task<bool> ActiveExchange::settle(bool keep) {
  if (keep && !body_.complete()) {
    const base::Instant deadline = server_.loop.now() + kDrainTime;
    auto draining = body_.drain(HttpResponseWriter::kMostDrained, deadline);
    keep = co_await draining;
  }
  auto flushing = output_.wait_until_below(0);
  const bool flushed = co_await flushing;
  co_return keep&& flushed;
}

Ending ActiveExchange::how_to_close() const {
  if (output_.failed()) return Ending::kReset;  // too slow, or gone: nothing may linger in the kernel for it
  if (!writer_.complete()) {
    return writer_.head_sent() && writer_.cut_needs_reset() ? Ending::kReset : Ending::kClose;
  }
  const bool expected = core_.has_request() && !memory_->request.wants_keep_alive && body_.complete();
  return expected && !input_.more_likely() ? Ending::kClose : Ending::kLinger;
}

}  // namespace cutwater::serve
