// Writing and clearing the eventfds of the link, setting its alarms. They never block: O_NONBLOCK is set by
// whoever owns the sleeping end.
#pragma once

#include <fcntl.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cstdint>

#include "base/clock.h"

namespace cutwater::link {

inline void write_eventfd(int descriptor) {
  uint64_t one = 1;
  // The only failure of a healthy eventfd is a full counter, and then the sleeper wakes anyway.
  [[maybe_unused]] ssize_t written = write(descriptor, &one, sizeof one);
}

inline void clear_eventfd(int descriptor) {
  uint64_t count;
  [[maybe_unused]] ssize_t taken = read(descriptor, &count, sizeof count);
}

// A timerfd becomes readable once, `after` (above 0) from now; an earlier setting is forgotten.
inline bool set_alarm(int descriptor, base::Duration after) {
  constexpr int64_t kSecond = 1'000'000'000;
  itimerspec setting{};
  setting.it_value = {after.count() / kSecond, after.count() % kSecond};
  return timerfd_settime(descriptor, 0, &setting, nullptr) == 0;
}

inline void set_nonblocking(int descriptor) {
  int flags = fcntl(descriptor, F_GETFL);
  if (flags >= 0) fcntl(descriptor, F_SETFL, flags | O_NONBLOCK);
}

}  // namespace cutwater::link
