#include "io/loop.h"

#include <algorithm>
#include <mutex>
#include <stdexcept>
#include <utility>

#include "io/wake.h"

namespace cutwater::io {

namespace {

constexpr size_t kEventsPerTurn = 256;
constexpr int kHookRounds = 8;

base::FileDescriptor open_epoll() {
  base::FileDescriptor epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.valid()) throw std::runtime_error(base::system_error("epoll_create1").message);
  return epoll;
}

}  // namespace

// Work from other threads, announced by an eventfd.
struct Loop::Posted {
  explicit Posted(Loop& loop) : wake(loop, open_wake_descriptor(), [this] { run(); }) {}

  void run() {
    {
      std::lock_guard lock(mutex);
      running.swap(waiting);
    }
    for (auto& work : running) work();
    running.clear();
  }

  std::mutex mutex;
  std::vector<std::function<void()>> waiting;
  std::vector<std::function<void()>> running;
  WakeWatcher wake;

 private:
  static base::FileDescriptor open_wake_descriptor() {
    auto descriptor = create_wake_descriptor();
    if (!descriptor) throw std::runtime_error(descriptor.error().message);
    return std::move(*descriptor);
  }
};

Loop::Loop() : epoll_(open_epoll()), events_(kEventsPerTurn), posted_(std::make_unique<Posted>(*this)) {}

// The thread may go on without it.
Loop::~Loop() {
  patience_.end();
}

void Loop::run() {
  while (!std::exchange(stopped_, false)) turn();
}

void Loop::stop() {
  stopped_ = true;
}

void Loop::turn() {
  if (deferred_.any()) deferred_.call(now_, !(hooks_again_ || polls_next_));
  if (late_writes_.flush()) hooks_again_ = true;
  const bool polls = hooks_again_ || polls_next_;  // what was deferred may have work for a hook
  hooks_again_ = polls_next_ = false;
  const int timeout = polls ? 0 : milliseconds_to_wait();
  patience_.before_wait(now_);
  const int count = epoll_wait(epoll_.get(), events_.data(), static_cast<int>(events_.size()), timeout);
  now_ = base::monotonic_now();
  if (turn_watch_) turn_watch_->begin(now_);
  ready_events_ = events_of_turn_ = count > 0 ? static_cast<size_t>(count) : 0;
  dispatch();
  timers_.fire_due(now_);
  run_hooks();
  if (turn_watch_) turn_watch_->end(now_, base::monotonic_now());
}

void Loop::dispatch() {
  next_event_ = 0;
  while (next_event_ < ready_events_) {
    const size_t end = std::min(ready_events_, next_event_ + ReadRoom::kPlaces);
    if (end - next_event_ > 1) read_ahead(end);
    while (next_event_ < end) {
      const epoll_event& event = events_[next_event_++];
      if (event.data.ptr) static_cast<Watcher*>(event.data.ptr)->on_events(event.events);
    }
  }
  ready_events_ = 0;
}

void Loop::read_ahead(size_t end) {
  for (size_t index = next_event_; index < end; ++index) {
    const epoll_event& event = events_[index];
    if (event.data.ptr)
      static_cast<Watcher*>(event.data.ptr)->read_ahead(event.events, read_room_.place(index - next_event_));
  }
}

// Leaves hooks_again_ set when the rounds were used up: the next turn then polls.
void Loop::run_hooks() {
  late_writes_.flush();  // the hooks see what came of it
  for (int round = 0; round < kHookRounds; ++round) {
    hooks_again_ = false;
    for (size_t index = 0; index < hooks_.size(); ++index) {
      if (hooks_[index] && hooks_[index]->end_of_turn()) hooks_again_ = true;
    }
    if (late_writes_.flush()) hooks_again_ = true;
    if (!hooks_again_) break;
  }
  std::erase(hooks_, nullptr);
}

int Loop::milliseconds_to_wait() const {
  base::Instant next = timers_.next();
  if (next == base::kNever && !deferred_.any()) return -1;
  const base::Instant now = base::monotonic_now();
  if (deferred_.any()) next = std::min(next, now + DeferredCalls::kLongest);
  const int64_t left = (next - now).count();
  if (left <= 0) return 0;
  return static_cast<int>(std::min<int64_t>((left + 999'999) / 1'000'000, 3'600'000));
}

base::Result<void> Loop::add(int descriptor, uint32_t events, Watcher& watcher) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = &watcher;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, descriptor, &event) != 0) return base::system_error("epoll_ctl");
  return {};
}

void Loop::modify(int descriptor, uint32_t events, Watcher& watcher) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = &watcher;
  epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, descriptor, &event);
}

void Loop::remove(int descriptor, Watcher& watcher) {
  epoll_event event{};
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, descriptor, &event);
  forget(watcher);
}

void Loop::forget(Watcher& watcher) {
  for (size_t index = next_event_; index < ready_events_; ++index) {
    if (events_[index].data.ptr == &watcher) events_[index].data.ptr = nullptr;
  }
}

// What did not fit into one look waits for the next.
bool Loop::may_have_events_for(const Watcher& watcher) const {
  if (events_of_turn_ == events_.size()) return true;
  for (size_t index = next_event_; index < ready_events_; ++index) {
    if (events_[index].data.ptr == &watcher) return true;
  }
  return false;
}

void Loop::add_hook(TurnHook& hook) {
  hooks_.push_back(&hook);
}

// The slot stays until the end of the round: hooks may be running.
void Loop::remove_hook(TurnHook& hook) {
  std::replace(hooks_.begin(), hooks_.end(), &hook, static_cast<TurnHook*>(nullptr));
}

void Loop::post(std::function<void()> work) {
  bool was_empty;
  {
    std::lock_guard lock(posted_->mutex);
    was_empty = posted_->waiting.empty();
    posted_->waiting.push_back(std::move(work));
  }
  if (was_empty) posted_->wake.wake();
}

}  // namespace cutwater::io
