#include "io/wake.h"

#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <utility>

namespace cutwater::io {

base::Result<base::FileDescriptor> create_wake_descriptor() {
  base::FileDescriptor descriptor(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!descriptor.valid()) return base::system_error("eventfd");
  return descriptor;
}

base::Result<base::FileDescriptor> create_alarm_descriptor() {
  base::FileDescriptor descriptor(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
  if (!descriptor.valid()) return base::system_error("timerfd_create");
  return descriptor;
}

void write_wake(int descriptor) {
  const uint64_t one = 1;
  // Fails only when the counter is full (2^64 - 2 wakes), and then the other side is awake.
  [[maybe_unused]] const ssize_t written = ::write(descriptor, &one, sizeof one);
}

WakeWatcher::WakeWatcher(Loop& loop, base::FileDescriptor descriptor, std::function<void()> on_wake)
    : descriptor_(std::move(descriptor)),
      watcher_(loop, descriptor_.get(), EPOLLIN | EPOLLET, [call = std::move(on_wake)](uint32_t) { call(); }) {}

}  // namespace cutwater::io
