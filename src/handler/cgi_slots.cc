#include "handler/cgi_slots.h"

#include <utility>

namespace cutwater::handler {

CgiSlots::Wait::Wait(CgiSlots& slots)
    : slots_(slots),
      timer_(slots.loop_.timers(),
             [this] {
               if (place_ != slots_.waiting_.end()) slots_.waiting_.erase(std::exchange(place_, slots_.waiting_.end()));
               if (waiter_) std::exchange(waiter_, nullptr).resume();
             }),
      place_(slots.waiting_.end()) {}

CgiSlots::Wait::~Wait() {
  if (place_ != slots_.waiting_.end()) slots_.waiting_.erase(place_);
  if (holds_) slots_.release();
}

bool CgiSlots::Wait::await_ready() {
  if (slots_.taken_ < slots_.most_) {
    ++slots_.taken_;
    holds_ = true;
    outcome_ = Outcome::kTaken;
    return true;
  }
  if (slots_.waiting_.size() >= slots_.queue_) {
    outcome_ = Outcome::kFull;
    return true;
  }
  place_ = slots_.waiting_.insert(slots_.waiting_.end(), this);
  timer_.set(slots_.loop_.now() + slots_.patience_);
  return false;
}

CgiSlots::Outcome CgiSlots::Wait::await_resume() {
  holds_ = false;
  return outcome_;
}

void CgiSlots::Wait::leave() {
  if (place_ != slots_.waiting_.end()) end(Outcome::kLeft);
}

// Goes on when the loop comes to its timers: never from within whoever gave the slot back.
void CgiSlots::Wait::end(Outcome outcome) {
  slots_.waiting_.erase(std::exchange(place_, slots_.waiting_.end()));
  outcome_ = outcome;
  holds_ = outcome == Outcome::kTaken;
  timer_.set(base::Instant{0});
}

void CgiSlots::release() {
  if (waiting_.empty()) {
    --taken_;
  } else {
    waiting_.front()->end(Outcome::kTaken);
  }
}

}  // namespace cutwater::handler
