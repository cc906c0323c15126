// RestartPolicy: how long to wait before a process that died is started again. The first time not at all;
// then, while it keeps dying young, 0.1 s doubling to 30 s. Each life that was not short halves the wait, a
// healthy one forgets it: so what kills workers from outside, however often, never slows their return, and a
// crash loop never spins.
#pragma once

#include "base/clock.h"

namespace cutwater::supervise {

class RestartPolicy {
 public:
  struct Options {
    base::Duration first = std::chrono::milliseconds(100);
    base::Duration limit = std::chrono::seconds(30);
    base::Duration short_life = std::chrono::milliseconds(100);
    base::Duration healthy = std::chrono::seconds(5);
  };
  RestartPolicy() = default;
  explicit RestartPolicy(Options options) : options_(options) {}

  // `lived`: from being ready to the end; zero when it never was ready. Zero: start again now.
  base::Duration wait_after(base::Duration lived);

 private:
  Options options_;
  base::Duration wait_{};
  bool died_young_ = false;  // once already
};

}  // namespace cutwater::supervise
