// Writing and clearing the eventfds of the link. They never block: O_NONBLOCK is set by whoever owns the
// sleeping end.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cstdint>

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

inline void set_nonblocking(int descriptor) {
  int flags = fcntl(descriptor, F_GETFL);
  if (flags >= 0) fcntl(descriptor, F_SETFL, flags | O_NONBLOCK);
}

}  // namespace cutwater::link
