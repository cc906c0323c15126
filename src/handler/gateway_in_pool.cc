// A request on its way to a process of a pool: it waits for one that is free, and goes to another one when it has not
// begun where it was. On a new connection that is known. On a kept one, which only requests get that do no harm when
// sent twice, a death at once may have come before the request: it goes to a new one, and not to a third.
#include <fmt/format.h>

#include "codec/http1/request_encoder.h"
#include "handler/error_pages.h"
#include "handler/gateway_exchange.h"

namespace cutwater::handler {

using upstream::CallStatus;

namespace {

// Between the end of a connection and the word that its process has ended.
constexpr base::Duration kEndPatience = std::chrono::milliseconds(500);
constexpr unsigned kMostTries = 10;
// A process that was killed may take so long to end, and its connections with it.
constexpr base::Duration kMayHaveMissed = std::chrono::milliseconds(50);

}  // namespace

void GatewayExchange::on_process_time_over() {
  if (call_) call_->abandon();
}

// The answer is complete: the server may be asked by others.
void GatewayExchange::free_server() {
  use_.reset();
  if (process_) std::exchange(process_, nullptr)->done();
}

// Nothing more is wanted of it, while there still is something to do for the client.
void GatewayExchange::leave_process(const upstream::Call& call, GatewayConnection& connection) {
  if (!process_) return;
  connection.stream->close();
  std::exchange(process_, nullptr)->finish(call.request_sent());
}

GatewayExchange::ProcessKeeper::~ProcessKeeper() {
  const bool sent = made ? made->request_sent() : connection.stream != nullptr;
  made.reset();  // it uses the stream
  exchange.call_ = nullptr;
  if (!exchange.process_) return;
  connection.stream.reset();
  std::exchange(exchange.process_, nullptr)->finish(sent);
}

base::Task<void> GatewayExchange::run_in_pool() {
  GatewayPool& pool = *gateway_.pool_;
  const GatewayOptions& options = gateway_.options_;
  constexpr bool kKeeps = true;
  const auto head = request_head(
      options.protocol, {exchange_, body_, options.strip, options.instance, script_, file_, options.role, kKeeps});
  if (!head) {
    note_too_long();
    auto refusing = answer_error(exchange_, 431);
    co_await refusing;
    co_return;
  }
  end_ = base::kNever;
  for (unsigned tries = 0; tries < kMostTries && !client_gone_; ++tries) {
    GatewayPool::Wait wait(pool, tries > 0);
    waiting_ = &wait;
    const GatewayPool::Outcome waited = co_await wait;
    waiting_ = nullptr;
    if (client_gone_) co_return;
    if (waited != GatewayPool::Outcome::kTaken) {
      auto refusing = answer_no_process(waited);
      co_await refusing;
      co_return;
    }
    const std::shared_ptr<PooledProcess> process = wait.take_process();
    if (process->ended()) continue;  // since it was given
    process_ = process;
    process->begin(fmt::format("{} {}", exchange_.request.method, exchange_.request.raw_target), *this);
    use_.emplace(process->peer());
    head_ = *head;
    auto trying = try_peer(process->peer());
    const Outcome outcome = co_await trying;
    use_.reset();
    if (outcome == Outcome::kAnswered) co_return;
    // What a program has begun with and not answered it would not answer the next time.
    if (outcome == Outcome::kDelivered || !may_repeat(outcome)) break;
    body_.rewind();
    only_fresh_ = outcome == Outcome::kStale;
  }
  if (client_gone_) co_return;
  auto answering = answer_error(exchange_, failure_, cause_);
  co_await answering;
}

base::Task<GatewayExchange::Outcome> GatewayExchange::judge_in_pool(const upstream::Call& call, CallStatus status,
                                                                    const GatewayConnection& connection) {
  PooledProcess& process = *process_;
  failure_ = 504;
  cause_ = Cause::kOfStatus;
  if (process.timed_out()) co_return Outcome::kFinal;
  const bool broke_off = status == CallStatus::kNoAnswer || status == CallStatus::kCutHead;
  if (broke_off) {
    PooledProcess::Ended ended(process, kEndPatience);
    co_await ended;
  }
  failure_ = 502;
  if (process.ended() && !process.begun()) co_return Outcome::kUndelivered;
  // A program may end a kept connection, and itself, between two requests, or be killed there; then it had nothing of
  // this one.
  const bool was_between = !process.ended() || process.ended_cleanly() || process.age() < kMayHaveMissed;
  if (status == CallStatus::kNoAnswer && connection.is_kept && was_between && may_repeat(Outcome::kDelivered)) {
    process.note_not_begun();
    co_return Outcome::kStale;
  }
  if (broke_off && process.ended()) co_return Outcome::kFinal;  // the pool says how
  if (status != CallStatus::kClientFailed) co_return judge(process.peer(), call, status, connection);
  auto answering = answer_client_failure(call.client_failure());
  co_await answering;
  co_return Outcome::kAnswered;
}

base::Task<void> GatewayExchange::answer_no_process(GatewayPool::Outcome outcome) {
  const char* why = outcome == GatewayPool::Outcome::kPaused ? "its processes do not start"
                    : outcome == GatewayPool::Outcome::kFull ? "too many requests wait for its processes"
                                                             : "a request waited for queue_timeout for a process";
  const char* fix = outcome == GatewayPool::Outcome::kPaused
                        ? "the messages before say how they end"
                        : "raise max in `processes` of the pool, or make the requests faster";
  gateway_.problems_.write(base::Severity::kError, "CW0716",
                           fmt::format("{}: {}; answered 503\nfix: {}", gateway_.who(), why, fix),
                           gateway_.loop_.now());
  const std::string seconds = gateway_.pool_->retry_after();
  auto answering = answer_error(exchange_, 503, "Retry-After", seconds);
  co_await answering;
}

}  // namespace cutwater::handler
