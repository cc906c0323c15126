#include "supervise/worker_pool.h"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include "control/messages.h"

namespace cutwater::supervise {
namespace {

// How long a stuck worker may stay while its replacement is not ready.
constexpr base::Duration kReplacementPatience = std::chrono::seconds(5);
// A worker that does not read its channel is told by SIGTERM.
constexpr base::Duration kQuitPatience = std::chrono::seconds(1);
// Starts that may fail on top of one for each position before a generation is given up.
constexpr unsigned kSpareStarts = 2;

base::Duration look_interval(const AppSpec& spec) {
  return std::clamp<base::Duration>(spec.timeout / 4, std::chrono::milliseconds(250),
                                    std::chrono::seconds(15));
}

// Stopped by SIGSTOP and the like: "T" is the state, the first field behind the name in /proc/PID/stat.
bool is_stopped(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  std::getline(file, text);
  const size_t name_end = text.rfind(')');
  return name_end != std::string::npos && name_end + 2 < text.size() && text[name_end + 2] == 'T';
}

}  // namespace

WorkerPool::WorkerPool(World& world, Lanes& lanes, const AppSpec& spec, Events events)
    : world_(world),
      lanes_(lanes),
      spec_(spec),
      events_(std::move(events)),
      look_(world.loop.timers(), [this] { look_for_stopped(); }) {
  look_.set(base::monotonic_now() + look_interval(spec_));
}

WorkerPool::~WorkerPool() {
  for (auto& worker : workers_) release_strangers(*worker);
}

unsigned WorkerPool::ready_count() const {
  return static_cast<unsigned>(std::count_if(workers_.begin(), workers_.end(), [](const auto& worker) {
    return worker->state == Worker::State::kReady;
  }));
}

void WorkerPool::set_target(unsigned workers) {
  while (positions_.size() < workers) {
    auto& position = positions_.emplace_back(std::make_unique<Position>());
    position->retry =
        std::make_unique<io::Timer>(world_.loop.timers(), [this, at = position.get()] { fill(*at); });
    fill(*position);
  }
  while (positions_.size() > workers) {
    Position& last = *positions_.back();
    for (Worker* worker : {last.worker, last.replaced}) {
      if (!worker) continue;
      worker->position = nullptr;
      end_worker(*worker, kQuitPatience, spec_.grace);
    }
    positions_.pop_back();
  }
}

void WorkerPool::fill(Position& position) {
  if (!filling_ || position.worker) return;
  base::Error error;
  std::optional<Lanes::Offer> offer = lanes_.take(error);
  if (!offer && error.message.empty()) {
    position.wants_lane = true;
    kill_longest_leaving();
    return;
  }
  if (!offer) {
    world_.log.error("CW0524", fmt::format("{}: no worker can be started: {}", spec_.name, error.message));
    retry_later(position, {});
    return;
  }
  Worker& worker = *workers_.emplace_back(std::make_unique<Worker>());
  worker.number = next_number_++;
  worker.lane = offer->lane;
  worker.offer = std::move(offer);
  worker.position = &position;
  position.worker = &worker;
  if (!events_.launch(worker)) {
    mark_gone(worker);
    retry_later(position, {});
    return;
  }
  worker.deadline =
      std::make_unique<io::Timer>(world_.loop.timers(), [this, &worker] { on_deadline(worker); });
  worker.deadline->set(base::monotonic_now() + spec_.start_timeout);
  if (worker.process->known()) {
    announce(worker);
  } else {
    world_.children.hold();
    worker.holds_strangers = true;
  }
}

void WorkerPool::retry_later(Position& position, base::Duration lived) {
  if (!filling_) return;
  const base::Duration wait = position.policy.wait_after(lived);
  if (wait == base::Duration::zero()) {
    fill(position);
  } else {
    position.retry->set(base::monotonic_now() + wait);
    if (pause()) events_.paused();
  }
}

std::optional<base::Duration> WorkerPool::pause() const {
  base::Instant next = base::kNever;
  for (const auto& position : positions_) {
    if (position->worker || position->wants_lane) return std::nullopt;
    next = std::min(next, position->retry->deadline());
  }
  if (next == base::kNever) return std::nullopt;
  return std::max(next - base::monotonic_now(), base::Duration::zero());
}

ManagedProcess::Events WorkerPool::events_for(Worker& worker) {
  return {[this, &worker](control::Message& message) { on_message(worker, message); },
          [this, &worker](const ExitStatus& status) { on_exited(worker, status); },
          [this, &worker](const std::string& why) { on_channel_ended(worker, why); }};
}

void WorkerPool::announce(Worker& worker) {
  if (lanes_.announce(worker.lane, worker.process->pid(), worker.process->pidfd())) return;
  world_.log.error("CW0524",
                   fmt::format("{}: {} cannot be watched and is ended", spec_.name, name_of(worker)));
  worker.process->signal(SIGKILL);
}

void WorkerPool::adopt(Worker& worker, StartedProcess process) {
  worker.process->adopt(std::move(process));
  if (std::exchange(fork_fails_, false)) world_.log.info(spec_.name + ": workers can be forked again");
  announce(worker);
  release_strangers(worker);
  if (worker.claimed_pid != 0) become_ready(worker);
}

Worker* WorkerPool::unknown_worker(uint64_t number) {
  for (auto& worker : workers_) {
    const bool unknown = worker->state != Worker::State::kGone && !worker->process->known();
    if (worker->number == number && unknown) return worker.get();
  }
  return nullptr;
}

void WorkerPool::on_forked(uint64_t number, pid_t pid) {
  base::Result<StartedProcess> process = world_.children.adopt(pid);
  Worker* worker = unknown_worker(number);
  if (!process) {
    world_.log.error("CW0524", fmt::format("{}: {}", spec_.name, process.error().message));
    if (worker) on_exited(*worker, {.unknown = true});
  } else if (worker) {
    adopt(*worker, std::move(*process));
  } else {
    Child late(world_.children, std::move(*process), [](const ExitStatus&) {});
    late.signal(SIGKILL);  // nobody waits for it any more
  }
}

// Short of processes or memory: told once, until it works again.
void WorkerPool::on_fork_failed(uint64_t number, const std::string& text) {
  Worker* worker = unknown_worker(number);
  if (!worker) return;
  if (!std::exchange(fork_fails_, true)) {
    world_.log.error("CW0524", fmt::format("{}: no worker can be forked: {}; {} serve, it is tried again",
                                           spec_.name, text, ready_count()));
  }
  Position* position = worker->position;
  mark_gone(*worker);
  if (position) retry_later(*position, {});
}

// What the zygote forked and did not live to tell: the worker itself names its pid, or its channel ends.
void WorkerPool::on_zygote_gone() {
  zygote_gone_ = true;
  for (size_t i = 0; i < workers_.size(); ++i) {
    Worker& worker = *workers_[i];
    if (worker.state == Worker::State::kGone || worker.process->known()) continue;
    if (worker.claimed_pid != 0) {
      on_ready(worker, worker.claimed_pid);
    } else if (!worker.process->channel_open()) {
      on_exited(worker, {.unknown = true});
    }
  }
}

void WorkerPool::on_message(Worker& worker, control::Message& message) {
  const std::string type = message.type();
  if (type == control::WorkerReady::kType) {
    auto ready = control::decode<control::WorkerReady>(message.body);
    if (ready) on_ready(worker, ready->pid);
  } else if (type == control::WorkerExiting::kType) {
    auto exiting = control::decode<control::WorkerExiting>(message.body);
    if (exiting) worker.reason = exiting->reason;
  } else {
    events_.message(worker, message);
  }
}

void WorkerPool::on_ready(Worker& worker, pid_t pid) {
  if (worker.process->known()) {
    become_ready(worker);
    return;
  }
  worker.claimed_pid = pid;
  if (!zygote_gone_) return;
  base::Result<StartedProcess> process = world_.children.adopt(pid);
  if (process) {
    adopt(worker, std::move(*process));
  } else {
    on_exited(worker, {.unknown = true});
  }
}

void WorkerPool::become_ready(Worker& worker) {
  if (worker.state != Worker::State::kStarting) return;
  worker.state = Worker::State::kReady;
  worker.ready_at = base::monotonic_now();
  worker.deadline.reset();
  worker.offer.reset();
  ever_ready_ = true;
  if (worker.position && worker.position->replaced) end_worker(*worker.position->replaced, {}, spec_.grace);
  events_.worker_ready();
}

void WorkerPool::on_channel_ended(Worker& worker, const std::string& why) {
  if (worker.state == Worker::State::kGone) return;
  if (!why.empty()) {
    world_.log.error("CW0522",
                     fmt::format("{}: {} sent {}; it is replaced", spec_.name, name_of(worker), why));
  }
  if (worker.process->known()) {
    worker.process->end(kQuitPatience, kReplacementPatience);
  } else if (zygote_gone_) {
    on_exited(worker, {.unknown = true});
  }
}

void WorkerPool::on_exited(Worker& worker, const ExitStatus& status) {
  if (worker.state == Worker::State::kGone) return;
  const base::Duration lived =
      worker.ready_at == base::kNever ? base::Duration::zero() : base::monotonic_now() - worker.ready_at;
  log_end(worker, status);
  Position* position = worker.position;
  mark_gone(worker);
  if (!filling_ || !position) return;
  if (!ever_ready_ && ++failed_starts_ >= target() + kSpareStarts) {
    events_.cannot_start(fmt::format("{} workers in a row ended before they were ready; the last one {}",
                                     failed_starts_, status.describe()));
    return;
  }
  retry_later(*position, lived);
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

void WorkerPool::log_end(const Worker& worker, const ExitStatus& status) {
  const std::string who = spec_.name + ": " + name_of(worker);
  const bool killed = status.signal == SIGKILL;
  if (worker.state == Worker::State::kLeaving || ending_) {
    if (killed) world_.log.warning("CW0523", who + " did not finish in time and was killed");
  } else if (status.clean()) {
    const std::string reason = worker.reason.empty() ? "" : " (" + worker.reason + ")";
    world_.log.warning("CW0521", who + " ended by itself" + reason + "; another one is started");
  } else {
    world_.log.warning("CW0521", who + " " + status.describe() + "; another one is started");
  }
}

Worker* WorkerPool::on_lane(unsigned lane) {
  for (auto& worker : workers_) {
    if (worker->lane == lane && worker->state != Worker::State::kGone) return worker.get();
  }
  return nullptr;
}

void WorkerPool::on_stuck(unsigned lane, const std::string& what) {
  Worker* worker = on_lane(lane);
  if (!worker || worker->state != Worker::State::kReady) return;
  world_.log.warning("CW0501",
                     fmt::format("{}: {}, {} is replaced\n"
                                 "fix: raise app.{}.timeout, or do this work outside of the request",
                                 spec_.name, what, name_of(*worker), spec_.name));
  replace(*worker);
}

void WorkerPool::on_broken(unsigned lane, const std::string& why) {
  Worker* worker = on_lane(lane);
  if (!worker || worker->state == Worker::State::kLeaving) return;
  world_.log.error("CW0522", fmt::format("{}: {} broke the link to the front ({}); it is replaced",
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
    if (!is_stopped(worker.process->pid())) {
      worker.stopped_since = base::kNever;
    } else if (worker.stopped_since == base::kNever) {
      worker.stopped_since = now;
    } else if (now - worker.stopped_since >= spec_.timeout) {
      world_.log.warning("CW0522",
                         fmt::format("{}: {} is stopped (SIGSTOP) for longer than timeout; it is replaced",
                                     spec_.name, name_of(worker)));
      replace(worker);
    }
  }
}

void WorkerPool::replace(Worker& worker) {
  Position* position = worker.position;
  worker.position = nullptr;
  worker.state = Worker::State::kLeaving;
  worker.deadline =
      std::make_unique<io::Timer>(world_.loop.timers(), [this, &worker] { on_deadline(worker); });
  worker.deadline->set(base::monotonic_now() + kReplacementPatience);
  lanes_.retire(worker.lane);
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
  world_.log.error(
      "CW0524", fmt::format("{}: {} was not ready within start_timeout = {} s", spec_.name, name_of(worker),
                            std::chrono::duration_cast<std::chrono::seconds>(spec_.start_timeout).count()));
  if (worker.process->known()) {
    worker.process->signal(SIGKILL);
  } else if (zygote_gone_) {
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

void WorkerPool::stop_filling() {
  filling_ = false;
  for (auto& position : positions_) {
    position->retry->cancel();
    position->wants_lane = false;
  }
}

void WorkerPool::end(base::Duration patience, base::Duration grace) {
  ending_ = true;
  look_.cancel();
  stop_filling();
  for (auto& worker : workers_) end_worker(*worker, patience, grace);
}

void WorkerPool::sweep() {
  for (size_t i = 0; i < positions_.size() && lanes_.free_count() > 0; ++i) {
    if (std::exchange(positions_[i]->wants_lane, false)) fill(*positions_[i]);
  }
  std::erase_if(workers_, [](const auto& worker) { return worker->state == Worker::State::kGone; });
}

void WorkerPool::check_invariants() const {
  std::vector<unsigned> lanes;
  for (const auto& worker : workers_) {
    if (worker->state == Worker::State::kGone) continue;
    if (worker->position && worker->position->worker != worker.get()) std::abort();
    if (worker->state == Worker::State::kReady && !worker->process->known()) std::abort();
    lanes.push_back(worker->lane);
  }
  std::sort(lanes.begin(), lanes.end());
  if (std::adjacent_find(lanes.begin(), lanes.end()) != lanes.end()) std::abort();
  for (const auto& position : positions_) {
    if (position->worker && position->worker->position != position.get()) std::abort();
    if (position->replaced && position->replaced->state != Worker::State::kLeaving) std::abort();
    const bool expected = position->worker || position->retry->armed() || position->wants_lane || !filling_;
    if (!expected) std::abort();
  }
}

std::string WorkerPool::name_of(const Worker& worker) const {
  return fmt::format("worker {} (pid {})", worker.number, worker.process ? worker.process->pid() : 0);
}

}  // namespace cutwater::supervise
