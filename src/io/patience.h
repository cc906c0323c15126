// Patience: whether this thread, when it is woken, takes the processor from who runs there (SCHED_OTHER, the usual) or
// waits for its turn (SCHED_BATCH). Who is told often of things that can wait saves two context switches for each.
// A thread that was started under another policy (chrt) keeps it and is never patient.
#pragma once

#include "base/clock.h"

namespace cutwater::io {

class Patience {
 public:
  // From the next before_wait() on until `end`; an earlier end than before is ignored.
  void last_until(base::Instant end);
  // Before the thread blocks. A system call only when something changes; a kernel that refuses is asked no more often.
  void before_wait(base::Instant now);
  // At once. Needed before a thread is started, which would inherit the patience and keep it.
  void end();
  bool patient() const { return patient_; }

 private:
  void become(bool patient);

  base::Instant end_{0};
  bool patient_ = false;
};

}  // namespace cutwater::io
