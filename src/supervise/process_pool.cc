#include "supervise/process_pool.h"

#include <algorithm>
#include <cassert>

namespace cutwater::supervise {

ProcessPool::ProcessPool(ProcessPoolOptions options, Owner& owner, uint64_t seed)
    : options_(options), owner_(owner), chance_(seed) {}

size_t ProcessPool::count(State state) const {
  return static_cast<size_t>(std::count_if(processes_.begin(), processes_.end(),
                                           [state](const auto& entry) { return entry.second.state == state; }));
}

void ProcessPool::open(base::Instant now) {
  open_ = true;
  fill(now);
}

void ProcessPool::close() {
  open_ = false;
  processes_.clear();
}

void ProcessPool::set_waiting(size_t waiting, base::Instant now) {
  waiting_ = waiting;
  fill(now);
}

std::optional<ProcessPool::Id> ProcessPool::take() {
  auto best = processes_.end();
  for (auto entry = processes_.begin(); entry != processes_.end(); ++entry) {
    if (entry->second.state != State::kIdle) continue;
    if (best == processes_.end() || entry->second.idle_since >= best->second.idle_since) best = entry;
  }
  if (best == processes_.end()) return std::nullopt;
  best->second.state = State::kBusy;
  return best->first;
}

void ProcessPool::become_idle(Id id, Process& process, base::Instant now) {
  if (process.is_outdated) return end(id, process, EndReason::kOutdated);
  process.state = State::kIdle;
  process.idle_since = now;
}

void ProcessPool::release(Id id, base::Instant now) {
  const auto found = processes_.find(id);
  if (found == processes_.end()) return;
  Process& process = found->second;
  // One that was there before a failure says nothing of how a start goes now.
  if (++process.works == 1 && process.failures_before == failures_) forget_failures(now);
  if (process.state != State::kBusy) return;
  if (process.most_works != 0 && process.works >= process.most_works) {
    end(id, process, EndReason::kWorn);
  } else {
    become_idle(id, process, now);
  }
  verify();
}

void ProcessPool::take_back(Id id, base::Instant now) {
  const auto found = processes_.find(id);
  if (found != processes_.end() && found->second.state == State::kBusy) become_idle(id, found->second, now);
}

void ProcessPool::give_up(Id id) {
  const auto found = processes_.find(id);
  if (found != processes_.end() && found->second.state != State::kEnding) end(id, found->second, EndReason::kFailed);
}

void ProcessPool::renew(base::Instant now) {
  for (auto& [id, process] : processes_) {
    process.is_outdated = true;
    if (process.state == State::kIdle) end(id, process, EndReason::kOutdated);
  }
  forget_failures(now);
  fill(now);
}

void ProcessPool::forget_failures(base::Instant now) {
  failing_ = false;
  start_after_ = std::min(start_after_, now);
  policy_ = {};
}

void ProcessPool::end(Id id, Process& process, EndReason reason) {
  process.state = State::kEnding;
  owner_.end_process(id, reason);
}

// A start may be answered when the pool was closed meanwhile.
void ProcessPool::on_started(Id id, base::Instant now) {
  const auto found = processes_.find(id);
  if (found == processes_.end() || found->second.state != State::kStarting) return;
  found->second.started = now;
  become_idle(id, found->second, now);
}

void ProcessPool::on_refused(Id id, base::Instant now) {
  const auto found = processes_.find(id);
  if (found == processes_.end()) return;
  const Process process = found->second;
  processes_.erase(found);
  note_failed_start(process, now);
  fill(now);
}

EndKind ProcessPool::on_ended(Id id, const ExitStatus& status, base::Instant now) {
  const auto found = processes_.find(id);
  if (found == processes_.end()) return EndKind::kAsked;
  const Process process = found->second;
  processes_.erase(found);
  const bool is_fine = status.code == 0 && status.signal == 0 && !status.unknown;
  EndKind kind = EndKind::kNeverWorked;
  if (process.state == State::kEnding) {
    kind = EndKind::kAsked;
  } else if (process.state == State::kBusy) {
    kind = EndKind::kAtWork;
    policy_.wait_after(options_.healthy);
  } else if (process.works > 0 || now - process.started >= options_.healthy) {
    kind = is_fine ? EndKind::kByItself : EndKind::kUnprovoked;
  } else {
    note_failed_start(process, now);
  }
  fill(now);
  verify();
  return kind;
}

// Of several that were started together and fail alike the first alone counts.
void ProcessPool::note_failed_start(const Process& process, base::Instant now) {
  failing_ = true;
  if (process.failures_before != failures_) return;
  ++failures_;
  start_after_ = now + policy_.wait_after({});
}

bool ProcessPool::needs_more() const {
  if (processes_.size() >= options_.max) return false;
  return living() < options_.min || count(State::kStarting) + count(State::kIdle) < waiting_ + options_.spare;
}

// After a failure one is started to find out whether it lives; the others when it has worked, or lived for long enough.
base::Instant ProcessPool::may_start() const {
  base::Instant moment = start_after_;
  for (const auto& [id, process] : processes_) {
    if (!failing_ || process.works > 0 || process.state == State::kEnding) continue;
    moment = std::max(moment, process.started + options_.healthy);
  }
  return moment;
}

void ProcessPool::fill(base::Instant now) {
  while (open_ && needs_more() && now >= may_start()) {
    const Id id = ++last_;
    Process& process = processes_[id];
    process.started = now;
    process.failures_before = failures_;
    if (options_.max_works != 0) {
      const uint64_t fewer = std::uniform_int_distribution<uint64_t>(0, options_.max_works / 10)(chance_);
      process.most_works = options_.max_works - fewer;
    }
    owner_.start_process(id);
  }
}

base::Instant ProcessPool::next() const {
  base::Instant next = base::kNever;
  if (open_ && needs_more()) next = may_start();
  const size_t idle = count(State::kIdle);
  if (living() <= options_.min || idle <= options_.spare) return next;
  for (const auto& [id, process] : processes_) {
    if (process.state == State::kIdle) next = std::min(next, process.idle_since + options_.idle);
  }
  return next;
}

void ProcessPool::tick(base::Instant now) {
  fill(now);
  while (living() > options_.min && count(State::kIdle) > options_.spare) {
    auto oldest = processes_.end();
    for (auto entry = processes_.begin(); entry != processes_.end(); ++entry) {
      if (entry->second.state != State::kIdle) continue;
      if (oldest == processes_.end() || entry->second.idle_since < oldest->second.idle_since) oldest = entry;
    }
    if (oldest == processes_.end() || now < oldest->second.idle_since + options_.idle) break;
    end(oldest->first, oldest->second, EndReason::kIdle);
  }
  verify();
}

bool ProcessPool::paused(base::Instant now) const {
  return failing_ && now < start_after_ && living() == 0;
}

void ProcessPool::verify() const {
  assert(processes_.size() <= options_.max);
  assert(open_ || processes_.empty());
  assert(count(State::kStarting) + idle() + busy() == living());
}

}  // namespace cutwater::supervise
