// WakeDelay: when a worker may let its wake of the front wait. Each wake of a front on the same core costs
// two context switches; an app of 85 us that wakes it for every response loses 12-15 % there. So the wake
// waits for up to 4 responses or 200 us, but only when the last calls were short. Nobody looks at the clock
// during a call; should the next one be slow all the same, the front's alarm bounds the wait. The same for
// the pieces of a streamed response, whose "calls" are the application's steps from one piece to the next.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/clock.h"

namespace cutwater::link {

class WakeDelay {
 public:
  struct Pace {
    int most;   // responses (pieces) that go out with one wake
    int trust;  // short calls in a row (about) before any delay; twice as many are remembered
  };
  static constexpr Pace kResponses{4, 128};
  static constexpr Pace kPieces{16, 32};
  static constexpr base::Duration kLongest = std::chrono::microseconds(200);
  static constexpr base::Duration kShortCall = std::chrono::microseconds(200);
  static constexpr base::Duration kSlowCall = std::chrono::milliseconds(1);

  explicit WakeDelay(Pace pace) : pace_(pace) {}

  void call_began(base::Instant now) { call_began_ = now; }
  void call_ended(base::Instant now) {
    base::Duration took = now - call_began_;
    const int penalty = pace_.trust / 4;  // for a call of medium length: a preempted short one looks like this
    if (took <= kShortCall)
      trust_ = std::min(trust_ + 1, 2 * pace_.trust);
    else if (took <= kSlowCall)
      trust_ = std::max(trust_ - penalty, 0);
    else
      trust_ = 0;
  }
  // A response is out and its front sleeps: may the wake wait for the next one?
  bool may_wait(base::Instant now) {
    if (!trusts()) return false;
    if (waiting_ == 0) since_ = now;
    if (waiting_ + 1 >= pace_.most || now - since_ >= kLongest) return false;
    ++waiting_;
    return true;
  }
  void woken() { waiting_ = 0; }
  bool trusts() const { return trust_ >= pace_.trust; }

 private:
  Pace pace_;
  int trust_ = 0;
  int waiting_ = 0;
  base::Instant call_began_;
  base::Instant since_;
};

}  // namespace cutwater::link
