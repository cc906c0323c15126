#include "handler/gateway_pool.h"

#include <utility>

namespace cutwater::handler {

GatewayPool::Wait::Wait(GatewayPool& pool, bool again)
    : pool_(pool), again_(again), timer_(pool.loop_.timers(), [this] { go_on(); }), place_(pool.waiting_.end()) {}

GatewayPool::Wait::~Wait() {
  if (place_ != pool_.waiting_.end()) {
    pool_.waiting_.erase(place_);
    pool_.on_waiting();
  }
  if (process_) pool_.give_back(*process_);
}

void GatewayPool::Wait::go_on() {
  if (place_ != pool_.waiting_.end()) {
    pool_.waiting_.erase(std::exchange(place_, pool_.waiting_.end()));
    pool_.on_waiting();
  }
  if (waiter_) std::exchange(waiter_, nullptr).resume();
}

bool GatewayPool::Wait::await_ready() {
  if (pool_.waiting_.empty()) process_ = pool_.take();
  if (process_) outcome_ = Outcome::kTaken;
  const bool is_paused = !process_ && pool_.is_paused();
  if (is_paused) outcome_ = Outcome::kPaused;
  const bool is_full = !process_ && !again_ && pool_.waiting_.size() >= pool_.options_.queue;
  if (is_full && !is_paused) outcome_ = Outcome::kFull;
  if (process_ || is_paused || is_full) return true;
  place_ = pool_.waiting_.insert(again_ ? pool_.waiting_.begin() : pool_.waiting_.end(), this);
  timer_.set(pool_.loop_.now() + pool_.options_.queue_timeout);
  pool_.on_waiting();
  return false;
}

void GatewayPool::Wait::leave() {
  if (place_ == pool_.waiting_.end()) return;
  end(Outcome::kLeft);
  pool_.on_waiting();
}

// Goes on when the loop comes to its timers: never from within whoever ended the wait.
void GatewayPool::Wait::end(Outcome outcome) {
  pool_.waiting_.erase(std::exchange(place_, pool_.waiting_.end()));
  outcome_ = outcome;
  timer_.set(base::Instant{0});
}

void GatewayPool::serve_line() {
  const size_t before = waiting_.size();
  while (!waiting_.empty()) {
    std::shared_ptr<PooledProcess> process = take();
    if (!process) break;
    Wait& first = *waiting_.front();
    first.process_ = std::move(process);
    first.end(Outcome::kTaken);
  }
  if (waiting_.size() != before) on_waiting();
}

void GatewayPool::refuse_line() {
  if (waiting_.empty()) return;
  while (!waiting_.empty()) waiting_.front()->end(Outcome::kPaused);
  on_waiting();
}

}  // namespace cutwater::handler
