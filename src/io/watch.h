// CallbackWatcher: a watched descriptor whose events go to a function: pidfds, channels, inotify, pipes. For
// what is not hot; hot paths derive from Watcher.
#pragma once

#include <cstdint>
#include <functional>

#include "base/result.h"
#include "io/loop.h"

namespace cutwater::io {

class CallbackWatcher : public Watcher {
 public:
  using Callback = std::function<void(uint32_t events)>;
  // Neither owns nor closes `descriptor`, which must stay open while watched. `loop` outlives the watcher.
  // The callback may destroy the watcher. `valid` tells whether the kernel took the registration.
  CallbackWatcher(Loop& loop, int descriptor, uint32_t events, Callback callback);
  ~CallbackWatcher() override;
  CallbackWatcher(const CallbackWatcher&) = delete;
  CallbackWatcher& operator=(const CallbackWatcher&) = delete;

  bool valid() const { return registered_; }
  int descriptor() const { return descriptor_; }
  void change(uint32_t events);  // another set of events
  void stop();                   // no more callbacks; needed before the descriptor is closed or given away
  void on_events(uint32_t events) override;

 private:
  Loop& loop_;
  int descriptor_;
  Callback callback_;
  bool registered_;
  bool* destroyed_ = nullptr;  // set by the destructor while the callback runs
};

}  // namespace cutwater::io
