// WakeDelay: when a worker may let its wake of the front wait. Each wake of a front on the same core costs
// two context switches; an app of 85 us that wakes it for every response loses 12-15 % there. So the wake
// waits for up to 4 responses or 200 us, but only when the last calls were short. Nobody looks at the clock
// during a call; should the next one be slow all the same, the front's alarm bounds the wait.
#pragma once

#include <cstdint>

#include "base/clock.h"

namespace cutwater::link {

class WakeDelay {
 public:
  static constexpr int kMostResponses = 4;
  static constexpr base::Duration kLongest = std::chrono::microseconds(200);
  static constexpr base::Duration kShortCall = std::chrono::microseconds(200);
  static constexpr base::Duration kSlowCall = std::chrono::milliseconds(1);
  static constexpr int kTrust = 128;  // short calls in a row (about) before any delay
  static constexpr int kMostTrust = 256;
  static constexpr int kMediumPenalty = 32;  // a preempted short call looks like this

  void call_began(base::Instant now) { call_began_ = now; }
  void call_ended(base::Instant now) {
    base::Duration took = now - call_began_;
    if (took <= kShortCall)
      trust_ = trust_ < kMostTrust ? trust_ + 1 : kMostTrust;
    else if (took <= kSlowCall)
      trust_ = trust_ > kMediumPenalty ? trust_ - kMediumPenalty : 0;
    else
      trust_ = 0;
  }
  // A response is out and its front sleeps: may the wake wait for the next one?
  bool may_wait(base::Instant now) {
    if (trust_ < kTrust) return false;
    if (waiting_ == 0) since_ = now;
    if (waiting_ + 1 >= kMostResponses || now - since_ >= kLongest) return false;
    ++waiting_;
    return true;
  }
  void woken() { waiting_ = 0; }
  bool trusts() const { return trust_ >= kTrust; }

 private:
  int trust_ = 0;
  int waiting_ = 0;
  base::Instant call_began_;
  base::Instant since_;
};

}  // namespace cutwater::link
