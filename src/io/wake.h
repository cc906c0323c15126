// WakeWatcher: an eventfd that other threads or processes write to. Registered edge-triggered and never read:
// each write is one event, and a wake costs the woken side no read().
#pragma once

#include <functional>

#include "base/file_descriptor.h"
#include "base/result.h"
#include "io/loop.h"
#include "io/watch.h"

namespace cutwater::io {

base::Result<base::FileDescriptor> create_wake_descriptor();   // non-blocking, close-on-exec
base::Result<base::FileDescriptor> create_alarm_descriptor();  // a timerfd (CLOCK_MONOTONIC), the same
void write_wake(int descriptor);                               // from any thread; never blocks, never fails visibly

class WakeWatcher {
 public:
  // Takes an eventfd. Wakes may be merged and may come without cause: `on_wake` looks for itself what there
  // is to do.
  WakeWatcher(Loop& loop, base::FileDescriptor descriptor, std::function<void()> on_wake);

  bool valid() const { return watcher_.valid(); }
  void wake() { write_wake(descriptor_.get()); }
  int descriptor() const { return descriptor_.get(); }

 private:
  base::FileDescriptor descriptor_;
  CallbackWatcher watcher_;
};

}  // namespace cutwater::io
