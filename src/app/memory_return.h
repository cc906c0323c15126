// MemoryReturn: hands the memory that a rush of clients left free back to the system. By itself malloc gives back only
// what lies at the end of its heap: one long-lived block behind them, and a hundred thousand freed ones stay resident.
// The loop waits meanwhile, 0.1 ms for each MB that goes back. Another thread would not help, as whoever allocates
// waits for it; so it is done when much has come free, and then once.
#pragma once

#include <cstddef>

#include "io/timer.h"

namespace cutwater::app {

class MemoryReturn {
 public:
  explicit MemoryReturn(io::TimerQueue& timers);

 private:
  void look();

  io::Timer timer_;
  // What the last attempt could not give back: pages that are in use in part, memory that is not malloc's. It is tried
  // again when there is more, else rarely, as each attempt goes through all that is free while the loop waits.
  size_t stays_ = 0;
  base::Instant try_again_{0};
};

}  // namespace cutwater::app
