// Patience: whether this thread, when it is woken, takes the processor from who runs there (SCHED_OTHER, the usual) or
// waits for its turn (SCHED_BATCH). Who is told often of things that can wait saves two context switches for each.
// A thread that was started under another policy (chrt) keeps it and is never patient.
//
// A neighbour is a process of this machine that we serve or that serves us, a web server in front or a pool behind:
// often on this very processor, where it loses its turn to us with every word it says, and has more to say.
#pragma once

#include <cstdint>

#include "base/clock.h"

namespace cutwater::io {

class Patience {
 public:
  static constexpr uint32_t kManyWords = 50;  // of neighbours, in one window: from then on they are waited for
  static constexpr base::Duration kWindow = std::chrono::milliseconds(10);

  // From the next before_wait() on until `end`; an earlier end than before is ignored.
  void last_until(base::Instant end);
  // For each piece of bytes that a neighbour has sent. Many in a short time make patient for kWindow.
  void neighbour_spoke(base::Instant now);
  // Before the thread blocks. A system call only when something changes; a kernel that refuses is asked no more often.
  void before_wait(base::Instant now);
  // At once. Needed before a thread is started, which would inherit the patience and keep it.
  void end();
  bool patient() const { return patient_; }

 private:
  void become(bool patient);

  base::Instant end_{0};
  base::Instant window_began_{0};
  uint32_t words_ = 0;  // since then
  bool patient_ = false;
};

}  // namespace cutwater::io
