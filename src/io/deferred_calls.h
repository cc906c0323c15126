// DeferredCalls: what is to be done before the loop waits, and is often needed no more by then. As long as nothing
// depends on it, it stays undone for a few milliseconds of waiting more.
#pragma once

#include <chrono>
#include <cstddef>
#include <vector>

#include "base/clock.h"

namespace cutwater::io {

class BeforeWait {
 public:
  virtual ~BeforeWait() = default;
  virtual void before_wait() = 0;
  // Somebody counts on it: it is done before the loop blocks.
  virtual bool urgent() const { return true; }

 private:
  friend class DeferredCalls;
  size_t place_ = 0;
  base::Instant since_;
};

class DeferredCalls {
 public:
  static constexpr base::Duration kLongest = std::chrono::milliseconds(3);

  // `later` must outlive its call, or be taken back.
  void add(BeforeWait& later, base::Instant now);
  void take_back(BeforeWait& later);
  // The loop is about to look for events; `blocks`: and to wait for them. Calls what is urgent or has waited for
  // long enough; what they add is looked at, too.
  void call(base::Instant now, bool blocks);
  // Some are left: the loop may block for kLongest at most.
  bool any() const { return !calls_.empty(); }

 private:
  std::vector<BeforeWait*> calls_;  // nullptr: taken back
};

}  // namespace cutwater::io
