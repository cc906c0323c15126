#include "io/patience.h"

#include <sched.h>

#include <algorithm>

namespace cutwater::io {

void Patience::last_until(base::Instant end) {
  end_ = std::max(end_, end);
}

void Patience::neighbour_spoke(base::Instant now) {
  if (now - window_began_ > kWindow) {
    window_began_ = now;
    words_ = 0;
  }
  if (++words_ >= kManyWords) last_until(now + kWindow);
}

void Patience::before_wait(base::Instant now) {
  become(now < end_);
}

void Patience::end() {
  end_ = base::Instant{0};
  become(false);
}

void Patience::become(bool patient) {
  if (patient == patient_) return;
  if (patient && sched_getscheduler(0) != SCHED_OTHER) return;
  patient_ = patient;
  const sched_param unused{};
  sched_setscheduler(0, patient ? SCHED_BATCH : SCHED_OTHER, &unused);  // the nice value stays
}

}  // namespace cutwater::io
