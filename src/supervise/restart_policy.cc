#include "supervise/restart_policy.h"

#include <algorithm>
#include <utility>

namespace cutwater::supervise {

base::Duration RestartPolicy::wait_after(base::Duration lived) {
  if (lived >= options_.healthy) {
    wait_ = {};
    died_young_ = false;
  } else if (lived >= options_.short_life) {
    wait_ /= 2;
    if (wait_ < options_.first) wait_ = {};
    died_young_ = wait_ != base::Duration::zero();
  } else if (std::exchange(died_young_, true)) {
    wait_ = std::clamp(wait_ * 2, options_.first, options_.limit);
  }
  return wait_;
}

}  // namespace cutwater::supervise
