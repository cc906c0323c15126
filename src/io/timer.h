// Timer: calls back once when a moment has passed. Moving the deadline later costs one store: the queue finds
// out when the old moment comes (a keep-alive connection re-arms at each request, and almost none ever
// fires).
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "base/clock.h"

namespace cutwater::io {

class TimerQueue;

class Timer {
 public:
  // `queue` must outlive the timer. `fire` may set or destroy the timer.
  Timer(TimerQueue& queue, std::function<void()> fire);
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  void set(base::Instant deadline);
  void cancel() { deadline_ = base::kNever; }  // a store too: the queue drops it when the old moment comes
  bool armed() const { return deadline_ != base::kNever; }
  base::Instant deadline() const { return deadline_; }

 private:
  friend class TimerQueue;
  static constexpr size_t kNotQueued = static_cast<size_t>(-1);

  TimerQueue& queue_;
  std::function<void()> fire_;
  base::Instant deadline_ = base::kNever;   // what the owner wants
  base::Instant queued_at_ = base::kNever;  // where the heap has it; never after deadline_ while armed
  size_t heap_index_ = kNotQueued;
};

// A binary heap of timers owned elsewhere.
class TimerQueue {
 public:
  base::Instant next() const;        // when to look again; kNever when nothing is queued
  void fire_due(base::Instant now);  // not from within a timer

 private:
  friend class Timer;
  void fire(Timer& timer);
  void insert(Timer& timer, base::Instant moment);
  void remove(Timer& timer);
  void place(size_t index, Timer* timer);
  void sift_up(size_t index);
  void sift_down(size_t index);

  std::vector<Timer*> heap_;
  Timer* firing_ = nullptr;  // cleared by the timer's destructor
};

}  // namespace cutwater::io
