#include "io/watch.h"

#include <utility>

namespace cutwater::io {

CallbackWatcher::CallbackWatcher(Loop& loop, int descriptor, uint32_t events, Callback callback)
    : loop_(loop),
      descriptor_(descriptor),
      callback_(std::move(callback)),
      registered_(loop.add(descriptor, events, *this).ok()) {}

CallbackWatcher::~CallbackWatcher() {
  stop();
  if (destroyed_) *destroyed_ = true;
}

void CallbackWatcher::change(uint32_t events) {
  if (registered_) loop_.modify(descriptor_, events, *this);
}

void CallbackWatcher::stop() {
  if (std::exchange(registered_, false)) loop_.remove(descriptor_, *this);
}

// The callback is moved out while it runs, since it may destroy its watcher.
void CallbackWatcher::on_events(uint32_t events) {
  bool destroyed = false;
  destroyed_ = &destroyed;
  Callback callback = std::move(callback_);
  callback(events);
  if (destroyed) return;
  destroyed_ = nullptr;
  callback_ = std::move(callback);
}

}  // namespace cutwater::io
