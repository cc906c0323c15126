// Loop: one thread's epoll, its timers, and what runs at the end of each turn. A turn: epoll_wait -> watchers of ready
// descriptors, some dozens at a time: all are read, then served -> due timers -> turn
// hooks, until no hook has more to do. Time is read once per turn. Not thread-safe but for post().
#pragma once

#include <sys/epoll.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/clock.h"
#include "base/file_descriptor.h"
#include "base/log.h"
#include "base/result.h"
#include "io/deferred_calls.h"
#include "io/late_writes.h"
#include "io/patience.h"
#include "io/read_ahead.h"
#include "io/timer.h"
#include "io/turn_watch.h"

namespace cutwater::io {

// Told of a descriptor's events; one watcher watches one descriptor. May remove (and destroy) itself or any
// other watcher from within on_events: events already fetched for a removed watcher are dropped.
class Watcher {
 public:
  virtual ~Watcher() = default;
  virtual void on_events(uint32_t events) = 0;
  // When several are ready, before on_events of the first of them: may read into `room` (read_ahead.h), and nothing
  // else.
  virtual void read_ahead(uint32_t /*events*/, std::span<char> /*room*/) {}
};

// Runs after all events of a turn, before the loop would block. Returns true when it found or made more work:
// all hooks then run again (a bounded number of rounds) and the loop polls instead of blocking.
class TurnHook {
 public:
  virtual ~TurnHook() = default;
  virtual bool end_of_turn() = 0;
};

class Loop {
 public:
  Loop();  // throws base::Error wrapped in std::runtime_error when the kernel refuses: start-up only
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  void run();   // until stop()
  void stop();  // takes effect at the end of the turn; before run(): it returns at once
  base::Instant now() const { return now_; }

  // `watcher` must outlive its registration. Events are EPOLLIN, EPOLLOUT, EPOLLRDHUP, EPOLLET.
  base::Result<void> add(int descriptor, uint32_t events, Watcher& watcher);
  void modify(int descriptor, uint32_t events, Watcher& watcher);
  void remove(int descriptor, Watcher& watcher);

  // As remove(), without the system call: for a descriptor that is closed right now and has no duplicate
  // anywhere (a fork included), since closing the last one is what takes it out of epoll.
  void forget(Watcher& watcher);

  void add_hook(TurnHook& hook);
  void remove_hook(TurnHook& hook);
  // The hooks run once more before the loop blocks: for who gives a hook work while hooks are running.
  void run_hooks_again() { hooks_again_ = true; }

  // The loop looks for events once more before it blocks.
  void poll_next() { polls_next_ = true; }
  // False: when this turn began nothing had come for `watcher`, which has been registered since an earlier one; or it
  // was told of that.
  bool may_have_events_for(const Watcher& watcher) const;
  // How many this turn began with.
  size_t events_of_turn() const { return events_of_turn_; }

  // Go to the kernel before the loop looks for more.
  LateWrites& late_writes() { return late_writes_; }

  // `later` must outlive its call, or be taken back.
  void defer(BeforeWait& later) { deferred_.add(later, now_); }
  void take_back(BeforeWait& later) { deferred_.take_back(later); }

  // Until `end` whoever runs on this thread's processor may go on when an event comes here.
  void be_patient_until(base::Instant end) { patience_.last_until(end); }
  void neighbour_spoke() { patience_.neighbour_spoke(now_); }
  bool patient() const { return patience_.patient(); }
  void end_patience() { patience_.end(); }  // before a thread is started from this one

  // Runs `work` on the loop's thread in its next turn. The only call allowed from other threads.
  void post(std::function<void()> work);

  TimerQueue& timers() { return timers_; }

  // Warns of long turns from now on. `log` outlives the loop's last turn.
  void watch_turns(base::LogSink& log) { turn_watch_.emplace(log); }

 private:
  struct Posted;
  void turn();
  void dispatch();
  void read_ahead(size_t end);
  void run_hooks();
  int milliseconds_to_wait() const;

  base::FileDescriptor epoll_;
  base::Instant now_ = base::monotonic_now();
  TimerQueue timers_;
  std::vector<TurnHook*> hooks_;
  DeferredCalls deferred_;
  Patience patience_;
  ReadRoom read_room_;
  LateWrites late_writes_;
  std::vector<epoll_event> events_;
  size_t next_event_ = 0;
  size_t ready_events_ = 0;
  size_t events_of_turn_ = 0;
  bool stopped_ = false;
  bool hooks_again_ = false;
  bool polls_next_ = false;
  std::optional<TurnWatch> turn_watch_;
  std::unique_ptr<Posted> posted_;
};

}  // namespace cutwater::io
