// MemoryReturn: hands the memory that a rush of clients left free back to the system. By itself malloc gives back only
// what lies at the end of its heap: one long-lived block behind them, and a hundred thousand freed ones stay resident.
#pragma once

#include "io/timer.h"

namespace cutwater::app {

class MemoryReturn {
 public:
  explicit MemoryReturn(io::TimerQueue& timers);

 private:
  void look();

  io::Timer timer_;
};

}  // namespace cutwater::app
