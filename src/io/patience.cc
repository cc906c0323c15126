#include "io/patience.h"

#include <sched.h>

#include <algorithm>

namespace cutwater::io {

void Patience::last_until(base::Instant end) {
  end_ = std::max(end_, end);
}

void Patience::before_wait(base::Instant now) {
  const bool patient = now < end_;
  if (patient == patient_) return;
  patient_ = patient;
  const sched_param unused{};
  sched_setscheduler(0, patient ? SCHED_BATCH : SCHED_OTHER, &unused);  // the nice value stays
}

}  // namespace cutwater::io
