#include "supervise/stop_pending.h"

#include <signal.h>

#include <algorithm>
#include <array>

namespace cutwater::supervise {

bool stop_is_pending() {
  constexpr std::array kSignals = {SIGTERM, SIGINT, SIGQUIT};
  sigset_t pending;
  if (sigpending(&pending) != 0) return false;
  return std::any_of(kSignals.begin(), kSignals.end(), [&](int number) { return sigismember(&pending, number) == 1; });
}

}  // namespace cutwater::supervise
