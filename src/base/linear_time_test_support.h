// For tests that say "linear time": how CPU time grows with the input. The time is that of this thread alone and the
// fastest of several rounds stands, so that nothing else on the machine is measured.
#pragma once

#include <time.h>

#include <algorithm>
#include <limits>

namespace cutwater::base {

inline double thread_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

// What faults.md 42 allows.
inline constexpr double kLinear = 2.5;

// How many times as long `work` takes on make(2 * size) as on make(size): 2 when linear, 4 when quadratic. Measured
// again while it is more than kLinear: what disturbs never makes anything faster.
template <class Make, class Work>
double growth_when_doubled(size_t size, Make make, Work work) {
  constexpr int kFewestRounds = 5;
  constexpr int kMostRounds = 60;
  constexpr double kTooShortToTell = 20e-6;
  const auto small = make(size);
  const auto large = make(2 * size);
  auto seconds = [&work](const auto& input) {
    const double began = thread_seconds();
    work(input);
    return thread_seconds() - began;
  };
  double fastest_small = std::numeric_limits<double>::max();
  double fastest_large = fastest_small;
  double growth = fastest_large;
  for (int round = 0; round < kFewestRounds || (growth >= kLinear && round < kMostRounds); ++round) {
    fastest_small = std::min(fastest_small, seconds(small));
    fastest_large = std::min(fastest_large, seconds(large));
    growth = fastest_large / std::max(fastest_small, kTooShortToTell);
  }
  return growth;
}

}  // namespace cutwater::base
