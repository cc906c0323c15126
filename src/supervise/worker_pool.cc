#include "supervise/worker_pool.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

namespace cutwater::supervise {

WorkerPool::WorkerPool(World& world, Lanes& lanes, const AppSpec& spec, Events events)
    : world_(world), lanes_(lanes), spec_(spec), events_(std::move(events)), look_(world.loop.timers(), [this] {
        look_for_stopped();
      }) {
  look_for_stopped();
}

WorkerPool::~WorkerPool() {
  for (auto& worker : workers_) release_strangers(*worker);
}

unsigned WorkerPool::ready_count() const {
  return static_cast<unsigned>(std::count_if(
      workers_.begin(), workers_.end(), [](const auto& worker) { return worker->state == Worker::State::kReady; }));
}

void WorkerPool::set_target(unsigned workers) {
  while (positions_.size() < workers) {
    auto& position = positions_.emplace_back(std::make_unique<Position>());
    position->retry = std::make_unique<io::Timer>(world_.loop.timers(), [this, at = position.get()] { fill(*at); });
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
    world_.log.error("CW0524", fmt::format("{}: no worker can be started: {}\n"
                                           "fix: raise the limit of open files (ulimit -n)",
                                           spec_.name, error.message));
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
  worker.deadline = std::make_unique<io::Timer>(world_.loop.timers(), [this, &worker] { on_deadline(worker); });
  worker.deadline->set(base::monotonic_now() + spec_.start_timeout);
  if (worker.process->known()) {
    announce(worker);
  } else {
    world_.children.hold();
    worker.holds_strangers = true;
  }
}

void WorkerPool::retry_later(Position& position, base::Duration lived) {
  if (filling_) fill_after(position, position.policy.wait_after(lived));
}

void WorkerPool::fill_after(Position& position, base::Duration wait) {
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

}  // namespace cutwater::supervise
