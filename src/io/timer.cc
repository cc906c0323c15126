#include "io/timer.h"

#include <utility>

namespace cutwater::io {

Timer::Timer(TimerQueue& queue, std::function<void()> fire) : queue_(queue), fire_(std::move(fire)) {}

Timer::~Timer() {
  if (heap_index_ != kNotQueued) queue_.remove(*this);
  if (queue_.firing_ == this) queue_.firing_ = nullptr;
}

void Timer::set(base::Instant deadline) {
  deadline_ = deadline;
  if (deadline >= queued_at_) return;  // the queue looks at deadline_ again at the old moment
  if (heap_index_ != kNotQueued) queue_.remove(*this);
  queue_.insert(*this, deadline);
}

base::Instant TimerQueue::next() const {
  return heap_.empty() ? base::kNever : heap_.front()->queued_at_;
}

void TimerQueue::fire_due(base::Instant now) {
  // No more steps than timers were queued: one that always sets itself to "now" must not hold the loop.
  for (size_t steps = heap_.size(); steps > 0 && !heap_.empty(); --steps) {
    Timer& timer = *heap_.front();
    if (timer.queued_at_ > now) return;
    remove(timer);
    if (timer.deadline_ == base::kNever) continue;
    if (timer.deadline_ > now) {
      insert(timer, timer.deadline_);
      continue;
    }
    fire(timer);
  }
}

// The callback is moved out while it runs, since it may destroy its timer.
void TimerQueue::fire(Timer& timer) {
  timer.deadline_ = base::kNever;
  firing_ = &timer;
  std::function<void()> callback = std::move(timer.fire_);
  callback();
  if (firing_ == &timer) timer.fire_ = std::move(callback);
  firing_ = nullptr;
}

void TimerQueue::insert(Timer& timer, base::Instant moment) {
  timer.queued_at_ = moment;
  timer.heap_index_ = heap_.size();
  heap_.push_back(&timer);
  sift_up(timer.heap_index_);
}

void TimerQueue::remove(Timer& timer) {
  const size_t index = timer.heap_index_;
  Timer* last = heap_.back();
  heap_.pop_back();
  timer.heap_index_ = Timer::kNotQueued;
  timer.queued_at_ = base::kNever;
  if (last == &timer) return;
  place(index, last);
  sift_up(index);
  sift_down(last->heap_index_);
}

void TimerQueue::place(size_t index, Timer* timer) {
  heap_[index] = timer;
  timer->heap_index_ = index;
}

void TimerQueue::sift_up(size_t index) {
  Timer* moving = heap_[index];
  while (index > 0) {
    const size_t parent = (index - 1) / 2;
    if (heap_[parent]->queued_at_ <= moving->queued_at_) break;
    place(index, heap_[parent]);
    index = parent;
  }
  place(index, moving);
}

void TimerQueue::sift_down(size_t index) {
  Timer* moving = heap_[index];
  while (true) {
    size_t child = 2 * index + 1;
    if (child >= heap_.size()) break;
    if (child + 1 < heap_.size() && heap_[child + 1]->queued_at_ < heap_[child]->queued_at_) ++child;
    if (moving->queued_at_ <= heap_[child]->queued_at_) break;
    place(index, heap_[child]);
    index = child;
  }
  place(index, moving);
}

}  // namespace cutwater::io
