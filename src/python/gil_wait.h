// How long the GIL lets a thread wait, and what other threads use of the processors meanwhile.
#pragma once

#include <pthread.h>
#include <time.h>

#include "base/clock.h"
#include "python/py_api.h"

namespace cutwater::python {

// Runs `wait` without the GIL; returns how long it took to get it back. With nobody who computes that is next to
// nothing; a thread that computes keeps it for a switch interval.
template <class Wait>
base::Duration without_gil(Wait wait) {
  PyThreadState* state = PyEval_SaveThread();
  wait();
  const base::Instant asked = base::monotonic_now();
  PyEval_RestoreThread(state);
  return base::monotonic_now() - asked;
}

// The clock that counts what the calling thread uses of a processor.
inline clockid_t own_processor_clock() {
  clockid_t clock = CLOCK_THREAD_CPUTIME_ID;
  return pthread_getcpuclockid(pthread_self(), &clock) == 0 ? clock : CLOCK_MONOTONIC;
}

inline base::Duration processor_time(clockid_t clock) {
  timespec used{};
  clock_gettime(clock, &used);
  return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
}

}  // namespace cutwater::python
