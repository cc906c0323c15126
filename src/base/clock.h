// Time on CLOCK_MONOTONIC, in nanoseconds: the unit that crosses process borders in shared memory.
#pragma once

#include <time.h>

#include <chrono>
#include <cstdint>

namespace cutwater::base {

using Duration = std::chrono::nanoseconds;

// A moment on CLOCK_MONOTONIC; comparable between processes of one machine.
struct Instant {
  int64_t nanoseconds = 0;
  friend auto operator<=>(Instant, Instant) = default;
  friend Instant operator+(Instant moment, Duration span) { return {moment.nanoseconds + span.count()}; }
  friend Instant operator-(Instant moment, Duration span) { return {moment.nanoseconds - span.count()}; }
  friend Duration operator-(Instant later, Instant earlier) {
    return Duration(later.nanoseconds - earlier.nanoseconds);
  }
};
inline constexpr Instant kNever{INT64_MAX};

inline Instant monotonic_now() {
  timespec moment;
  clock_gettime(CLOCK_MONOTONIC, &moment);
  return {int64_t{moment.tv_sec} * 1'000'000'000 + moment.tv_nsec};
}

}  // namespace cutwater::base
