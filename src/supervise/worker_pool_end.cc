// WorkerPool: how workers end: by themselves, replaced because they are stuck, broken or stopped, or asked to.
#include <fmt/format.h>
#include <signal.h>

#include <algorithm>

#include "base/text.h"
#include "supervise/journey.h"
#include "supervise/worker_pool.h"

namespace cutwater::supervise {
namespace {

// What workers give as their reason (docs/processes.md), for people.
std::string in_words(const std::string& reason) {
  if (reason == "system_exit") return ", as the app called for (SystemExit or KeyboardInterrupt)";
  if (reason == "terminated") return ", as a SIGTERM from outside asked it to";
  if (reason == "descriptors_closed") return ", since the app closed descriptors that are not its own";
  return reason.empty() || reason == "retired" || reason == "quit" ? "" : " (" + reason + ")";
}

// How long a stuck worker may stay while its replacement is not ready.
constexpr base::Duration kReplacementPatience = std::chrono::seconds(5);
// Starts that may fail on top of one for each position before a generation is given up.
constexpr unsigned kSpareStarts = 2;

base::Duration look_interval(const AppSpec& spec) {
  return std::clamp<base::Duration>(spec.timeout / 4, std::chrono::milliseconds(250), std::chrono::seconds(15));
}

}  // namespace

void WorkerPool::on_channel_ended(Worker& worker, const std::string& why) {
  if (worker.state == Worker::State::kGone) return;
  if (!why.empty()) {
    world_.log.error("CW0522", fmt::format("{}: {} sent {}; it is replaced", spec_.name, name_of(worker), why));
  }
  if (worker.process->known()) {
    worker.process->end(kQuitPatience, kReplacementPatience);
  } else if (zygote_gone_) {
    on_exited(worker, {.unknown = true});
  }
}

// A worker of several requests at once, which ends by itself: its successor need not wait for the slowest of them.
void WorkerPool::on_ending(Worker& worker, std::string reason) {
  worker.reason = std::move(reason);
  worker.ends_by_itself = true;
  if (worker.state != Worker::State::kReady || !filling_) return;
  if (was_stopped_with_us(worker, {.code = 0})) return;
  const std::optional<base::Duration> wait = wait_for_successor(worker);
  log_end(worker, {.code = 0}, wait);
  Position* position = let_leave(worker, spec_.grace);
  if (!position) return;
  position->worker = nullptr;
  fill_after(*position, *wait);
}

void WorkerPool::on_exited(Worker& worker, const ExitStatus& status) {
  if (worker.state == Worker::State::kGone) return;
  std::optional<base::Duration> wait = wait_for_successor(worker);
  if (was_stopped_with_us(worker, status)) {
    if (wait) *wait = spec_.queue_timeout + spec_.grace + kQuitPatience;  // there is none
  } else {
    log_end(worker, status, wait);
  }
  Position* position = worker.position;
  mark_gone(worker);
  if (!wait) return;
  if (!ever_ready_ && ++failed_starts_ >= target() + kSpareStarts) {
    events_.cannot_start(fmt::format("{} workers in a row ended before they were ready; the last one {}",
                                     failed_starts_, status.describe()));
    return;
  }
  fill_after(*position, *wait);
}

// By the signal that stops the server, sent to all of its processes.
bool WorkerPool::was_stopped_with_us(const Worker& worker, const ExitStatus& status) const {
  const bool asked = status.signal == SIGTERM || (status.clean() && worker.reason == "terminated");
  return asked && worker.state != Worker::State::kLeaving && world_.is_stopping();
}

// nullopt: this pool starts none. To be asked once for each end: the next wait is longer.
std::optional<base::Duration> WorkerPool::wait_for_successor(const Worker& worker) {
  if (!filling_ || !worker.position) return std::nullopt;
  const bool was_ready = worker.ready_at != base::kNever;
  return worker.position->policy.wait_after(was_ready ? base::monotonic_now() - worker.ready_at : base::Duration());
}

void WorkerPool::mark_gone(Worker& worker) {
  worker.state = Worker::State::kGone;
  worker.deadline.reset();
  worker.offer.reset();
  release_strangers(worker);
  if (worker.position) worker.position->worker = nullptr;
  worker.position = nullptr;
  for (auto& position : positions_) {
    if (position->replaced == &worker) position->replaced = nullptr;
  }
  lanes_.worker_gone(worker.lane);
}

void WorkerPool::release_strangers(Worker& worker) {
  if (std::exchange(worker.holds_strangers, false)) world_.children.release();
}

void WorkerPool::log_end(const Worker& worker, const ExitStatus& status, std::optional<base::Duration> wait) {
  const std::string who = spec_.name + ": " + name_of(worker);
  const bool killed = status.signal == SIGKILL;
  if (worker.state == Worker::State::kLeaving || ending_) {
    if (!killed) return;
    if (world_.ends_at_once) return world_.log.info(who + " was killed, with what it ran");
    world_.log.warning("CW0523",
                       fmt::format("{} did not finish in time and was killed\n"
                                   "fix: raise app.{}.grace (of a stop: [shutdown] grace), or make requests shorter",
                                   who, spec_.name));
  } else {
    const bool pauses = wait && *wait > base::Duration::zero();
    const std::string what = status.clean() ? in_words(worker.reason) : "";
    const std::string next = zygote_gone_ ? "the next one comes with a new generation" : "another one is started";
    world_.log.warning("CW0521", fmt::format("{} {}{}; {}{}", who, status.describe(), what, next,
                                             pauses && !zygote_gone_ ? " in " + to_seconds(*wait) : ""));
  }
}

Worker* WorkerPool::on_lane(unsigned lane) {
  for (auto& worker : workers_) {
    if (worker->lane == lane && worker->state != Worker::State::kGone) return worker.get();
  }
  return nullptr;
}

void WorkerPool::on_stuck(unsigned lane, const std::string& what, const std::string& fix) {
  Worker* worker = on_lane(lane);
  if (!worker || worker->state != Worker::State::kReady) return;
  world_.log.warning("CW0501", fmt::format("{}: {}, {} is replaced\nfix: {}", spec_.name, what, name_of(*worker), fix));
  replace(*worker);
}

void WorkerPool::on_broken(unsigned lane, const std::string& why) {
  Worker* worker = on_lane(lane);
  if (!worker || worker->state == Worker::State::kLeaving) return;
  world_.log.error("CW0522", fmt::format("{}: {} broke the link to the front ({}); it is replaced\n"
                                         "fix: look for native packages that write where they must not",
                                         spec_.name, name_of(*worker), why));
  replace(*worker);
}

// A stopped worker claims nothing, so no request of its own would ever be found to take too long.
void WorkerPool::look_for_stopped() {
  const base::Instant now = base::monotonic_now();
  look_.set(now + look_interval(spec_));
  for (size_t i = 0; i < workers_.size(); ++i) {
    Worker& worker = *workers_[i];
    if (worker.state != Worker::State::kReady) continue;
    if (!is_stopped(worker)) {
      worker.stopped_since = base::kNever;
    } else if (worker.stopped_since == base::kNever) {
      worker.stopped_since = now;
    } else if (now - worker.stopped_since >= spec_.timeout) {
      world_.log.warning("CW0522", fmt::format("{}: {} is stopped (SIGSTOP) for longer than timeout; it is replaced",
                                               spec_.name, name_of(worker)));
      replace(worker);
    }
  }
}

// It claims nothing more, and is asked to end after `patience`. Returns the position that it held, if any.
Position* WorkerPool::let_leave(Worker& worker, base::Duration patience) {
  worker.state = Worker::State::kLeaving;
  worker.deadline = std::make_unique<io::Timer>(world_.loop.timers(), [this, &worker] { on_deadline(worker); });
  worker.deadline->set(base::monotonic_now() + patience);
  lanes_.retire(worker.lane);
  return std::exchange(worker.position, nullptr);
}

void WorkerPool::replace(Worker& worker) {
  Position* position = let_leave(worker, kReplacementPatience);
  if (!position) return;
  if (position->replaced) end_worker(*position->replaced, {}, spec_.grace);
  position->replaced = &worker;
  position->worker = nullptr;
  fill(*position);
}

void WorkerPool::on_deadline(Worker& worker) {
  if (worker.state == Worker::State::kLeaving) {
    end_worker(worker, {}, spec_.grace);
    return;
  }
  const bool zygote_hangs = !worker.process->known() && !zygote_gone_;
  const std::string limit = "within start_timeout = " + base::seconds_text(spec_.start_timeout);
  if (zygote_hangs) {
    world_.log.error("CW0524", fmt::format("{}: its zygote did not fork {} {}; it is killed\n"
                                           "fix: look for what has stopped it, or raise app.{}.start_timeout",
                                           spec_.name, name_of(worker), limit, spec_.name));
  } else {
    world_.log.error("CW0524", fmt::format("{}: {} was not ready {}\nfix: raise app.{}.start_timeout", spec_.name,
                                           name_of(worker), limit, spec_.name));
  }
  if (worker.process->known()) {
    worker.process->signal(SIGKILL);
  } else if (!zygote_hangs) {
    on_exited(worker, {.unknown = true});
  } else {
    events_.zygote_hangs();  // its end says what became of the worker: until then the lane is not free
    worker.deadline->set(base::monotonic_now() + kReplacementPatience);
  }
}

void WorkerPool::end_worker(Worker& worker, base::Duration patience, base::Duration grace) {
  if (worker.state == Worker::State::kGone) return;
  worker.state = Worker::State::kLeaving;
  worker.deadline.reset();
  for (auto& position : positions_) {
    if (position->replaced == &worker) position->replaced = nullptr;
  }
  worker.process->end(patience, grace);
}

void WorkerPool::kill_longest_leaving() {
  for (auto& worker : workers_) {
    if (worker->state != Worker::State::kLeaving || !worker->process->running()) continue;
    worker->process->signal(SIGKILL);
    return;
  }
}

}  // namespace cutwater::supervise
