// ThreadTeam: who claims. docs/link_protocol.md, pitfall 10, has what the link asks of threads.
#include <poll.h>

#include <algorithm>

#include "python/gil_wait.h"
#include "python/thread_team.h"

namespace cutwater::python {
namespace {

// A call that lasts is looked at this often, and none shorter counts as one that blocks.
constexpr base::Duration kTick = std::chrono::milliseconds(1);
// Ticks without a call until the watcher waits to be woken by the next one.
constexpr int kQuietTicks = 20;
// How long a call that blocked is remembered, in short calls: as long as one in twenty blocks, all are expected to. One
// that computes takes longer than handing over would save, and others must not be begun beside it so easily.
constexpr int kBlockingMost = 200;
constexpr int kBlockingMore = 20;
constexpr int kBlockingFirst = 8;
constexpr int kComputingLess = 50;
// Calls known to compute that others may be begun beside, until one of them lasts.
constexpr unsigned kMostComputing = 2;
constexpr base::Duration kLastingCall = std::chrono::milliseconds(100);
// Over such a span it is judged whether this process computes all the time.
constexpr base::Duration kLoadSpan = std::chrono::milliseconds(10);

bool in_call(uint64_t call) {
  return (call & 1) != 0;
}

}  // namespace

// ---- the leader

void ThreadTeam::lead(Member& me) {
  leader_clock_.store(me.clock);
  while (leader_ == &me && !ending_) {
    take_frames_in();
    if (link_.retired()) return end("retired");
    if (me.runner.claim()) {
      run_request(me);
      continue;
    }
    link_.wake_fronts();
    sleep_as_leader(me);
  }
}

void ThreadTeam::run_request(Member& me) {
  const bool stays = stays_leader();
  base::Duration processor{};
  if (stays) {
    begin_call(me);
  } else {
    me.call_began = base::monotonic_now();
    processor = processor_time(me.clock);
  }
  me.runner.run();
  if (leader_ == &me) end_call();
  if (std::exchange(me.computes, false)) --computing_;
  if (!stays) judge_call(base::monotonic_now() - me.call_began, processor_time(me.clock) - processor);
  if (!service_.end_reason.empty() && !ending_) end(service_.end_reason);
  if (leader_ == &me) {
    link_.wake_fronts_after_call();
  } else {
    link_.wake_fronts();
  }
  // A leader that sleeps has not announced that it waits for room, too.
  if (leader_ != nullptr && leader_ != &me && link_.keeps_releases()) leader_->sleeper.wake();
}

// Whether the leader keeps its role during the call that it is about to begin: if calls are short, and somebody is
// there to take the role if this one is not.
bool ThreadTeam::stays_leader() {
  if (calls_block(base::monotonic_now())) {
    hand_over();
    return false;
  }
  if (watcher_ != nullptr) return true;
  if (Member* next = take_from_stack()) {
    watcher_ = next;
    call_up(*next);
    return true;
  }
  if (may_add_member() && start_member()) return true;
  leader_ = nullptr;
  pass_lookout();
  return false;
}

// May give the GIL up. Without anybody to lead, whoever is done with its request first does.
void ThreadTeam::hand_over() {
  end_call();
  leader_ = watcher_ != nullptr ? std::exchange(watcher_, nullptr) : take_from_stack();
  if (leader_ != nullptr) return call_up(*leader_);
  if (may_add_member() && start_member()) return;
  pass_lookout();
}

void ThreadTeam::begin_call(Member& me) {
  me.call_began = base::monotonic_now();
  call_.fetch_add(1);
  if (watcher_ != nullptr && watcher_->rests.load() && watcher_->rests.exchange(false)) watcher_->sleeper.wake();
}

void ThreadTeam::end_call() {
  if (in_call(call_.load())) call_.fetch_add(1);
}

// Of a call for which the role was handed over.
void ThreadTeam::judge_call(base::Duration took, base::Duration processor) {
  const int change = processor >= kTick ? -kComputingLess : took >= kTick ? kBlockingMore : -1;
  blocking_left_ = std::clamp(blocking_left_ + change, 0, kBlockingMost);
}

// ---- those without a request

ThreadTeam::Member* ThreadTeam::take_from_stack() {
  if (stack_.empty()) return nullptr;
  Member* taken = stack_.back();
  stack_.pop_back();
  taken->on_stack = false;
  return taken;
}

void ThreadTeam::follow(Member& me) {
  if (watcher_ == nullptr) watcher_ = &me;
  if (watcher_ == &me) return watch(me);
  stack_.push_back(&me);
  me.on_stack = true;
  while (me.on_stack && !ending_) {
    const base::Duration waited = sleep_until_called(me);
    if (leader_ == &me) note_wait(waited);
  }
  if (std::exchange(me.on_stack, false)) std::erase(stack_, &me);
}

void ThreadTeam::watch(Member& me) {
  base::Duration tick = kTick;
  while (watcher_ == &me && !ending_) {
    // A leader that waits for its turn among those who compute is not to be asked about.
    if (computing_ > 0) tick = std::max(tick, kTick + switch_interval_ * (computing_ + 1) * 3 / 2);
    const Observation seen = observe(me, std::exchange(tick, kTick));
    if (leader_ == &me) note_wait(seen.gil_waited);
    if (watcher_ != &me || ending_) break;
    if (seen.broken) return broken_by_closing();
    if (seen.call == 0 || call_.load() != seen.call) continue;
    if (!may_take_over(seen)) {
      tick = kLastingCall / 4;
      continue;
    }
    end_call();
    leader_ = &me;
    break;
  }
  if (watcher_ == &me) watcher_ = nullptr;
}

// Until the leader is found in the same call for a whole tick, or this thread is called up.
ThreadTeam::Observation ThreadTeam::observe(Member& me, base::Duration tick) {
  Observation seen;
  me.sleeper.clear();
  me.called.store(false);
  const auto milliseconds = static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(tick).count());
  seen.gil_waited = without_gil([&] {
    pollfd kick{me.sleeper.kick.get(), POLLIN, 0};
    int quiet = 0;
    uint64_t last = call_.load();
    while (!me.called.load() && !seen.broken) {
      const bool rests = !in_call(last) && quiet >= kQuietTicks;
      if (in_call(last)) seen.processor = processor_time(leader_clock_.load());
      // Announced, then looked again: a call that begins now wakes, or is seen here.
      if (rests) me.rests.store(true);
      const bool may_rest = rests && !in_call(call_.load());
      const int ready = ::poll(&kick, 1, may_rest ? -1 : milliseconds);
      if (rests) me.rests.store(false);
      if (ready > 0) me.sleeper.clear();
      seen.broken = ready > 0 && (kick.revents & POLLNVAL) != 0;
      const uint64_t now = call_.load();
      if (now == last && in_call(now)) {
        seen.call = now;
        return;
      }
      quiet = now == last && !rests ? quiet + 1 : 0;
      last = now;
    }
  });
  return seen;
}

// The leader is in a call that lasts. If it blocks, its role is free to be taken; so it is if the call computes in
// native code, which leaves the GIL free. If it computes in Python, every thread more that wants the GIL makes the
// others slower.
bool ThreadTeam::may_take_over(const Observation& seen) {
  const base::Instant now = base::monotonic_now();
  Member& busy = *leader_;
  const base::Duration used = processor_time(busy.clock) - seen.processor;
  const bool computes = used > kTick / 10;  // among many, on a busy machine, its share may be small
  if (!computes) {
    if (computing_ == 0 && !is_long_wait(seen.gil_waited)) blocking_left_ = std::max(blocking_left_, kBlockingFirst);
    return true;
  }
  if (seen.gil_waited * 10 < switch_interval_) return true;
  if (computing_ >= kMostComputing && now - busy.call_began < kLastingCall) return false;
  if (!std::exchange(busy.computes, true)) ++computing_;
  return true;
}

// How long the GIL let a thread wait that was called up to lead. In a process that computes all the time no call is
// expected to block: handing the role over would make each wait for its turn.
void ThreadTeam::note_wait(base::Duration waited) {
  const base::Instant now = base::monotonic_now();
  const base::Duration span = now - load_since_;
  if (span >= kLoadSpan) {
    const base::Duration used = processor_time(CLOCK_PROCESS_CPUTIME_ID);
    computes_all_the_time_ = 2 * (used - load_processor_) > span;
    load_since_ = now;
    load_processor_ = used;
  }
  if (computes_all_the_time_ && is_long_wait(waited)) contended_until_ = now + 5 * kLoadSpan;
}

}  // namespace cutwater::python
