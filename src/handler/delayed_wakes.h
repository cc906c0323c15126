// DelayedWakes: whether the wake-up of a worker can wait for one more look of the loop at its descriptors. A worker
// that shares this thread's processor takes it at once, for the few requests of one turn, while more lie in the kernel:
// then each few cost two context switches (docs/link_protocol.md section 4).
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "base/clock.h"

namespace cutwater::handler {

class DelayedWakes {
 public:
  static constexpr base::Duration kLongest = std::chrono::microseconds(200);
  static constexpr uint32_t kMostFailures = 6;  // that make the pause longer: 64 turns at most

  // At the end of a turn, as often as it ends, while somebody is to be woken. `now`: the turn's time; `events`: with
  // how many it began. True: look again, then ask again. False: wake them now.
  bool can_wait(base::Instant now, size_t events) {
    if (owed_since_ == base::kNever) {
      if (!is_worth_a_look(events)) return false;
      owed_since_ = now;
      asked_at_ = now;
      return true;
    }
    if (now == asked_at_) return true;  // the same turn
    asked_at_ = now;
    judge(events > 0);
    if (events > 0 && now - owed_since_ <= kLongest) return true;
    owed_since_ = base::kNever;
    return false;
  }

 private:
  // Of a single event no others can be expected behind it. After looks in vain there are fewer of them.
  bool is_worth_a_look(size_t events) {
    if (events < 2) return false;
    if (pause_ == 0) return true;
    --pause_;
    return false;
  }

  void judge(bool found) {
    failures_ = found ? 0 : std::min(failures_ + 1, kMostFailures);
    pause_ = found ? 0 : 1U << failures_;
  }

  base::Instant owed_since_ = base::kNever;
  base::Instant asked_at_ = base::kNever;
  uint32_t failures_ = 0;  // in a row
  uint32_t pause_ = 0;     // wakes that do not wait, before the next look
};

}  // namespace cutwater::handler
