#include "io/deferred_calls.h"

#include <utility>

namespace cutwater::io {

void DeferredCalls::add(BeforeWait& later, base::Instant now) {
  later.place_ = calls_.size();
  later.since_ = now;
  calls_.push_back(&later);
}

void DeferredCalls::take_back(BeforeWait& later) {
  if (later.place_ < calls_.size() && calls_.at(later.place_) == &later) calls_.at(later.place_) = nullptr;
}

// May grow while it runs.
void DeferredCalls::call(base::Instant now, bool blocks) {
  size_t kept = 0;
  for (size_t index = 0; index < calls_.size(); ++index) {
    BeforeWait* later = std::exchange(calls_.at(index), nullptr);
    if (later == nullptr) continue;
    const bool wanted = (blocks && later->urgent()) || now - later->since_ >= kLongest;
    if (wanted) {
      later->before_wait();
      continue;
    }
    later->place_ = kept;
    calls_.at(kept++) = later;
  }
  calls_.resize(kept);
}

}  // namespace cutwater::io
