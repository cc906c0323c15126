#include "supervise/generation.h"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <cstdlib>

#include "base/text.h"

namespace cutwater::supervise {
namespace {

// Fronts need an instant to answer for the lanes of workers that have just ended.
constexpr base::Duration kLanePatience = std::chrono::seconds(5);

}  // namespace

Generation::Generation(World& world, AppSpec spec, uint64_t number, bool lone, Events events)
    : world_(world),
      spec_(std::move(spec)),
      number_(number),
      lone_(lone || spec_.preload == "false"),
      events_(std::move(events)),
      journey_(base::monotonic_now()),
      drained_(world.fronts.count(), false),
      deadline_(world.loop.timers(), [this] { on_start_deadline(); }) {}

Generation::~Generation() = default;

std::string Generation::label() const {
  return fmt::format("{}: generation {}", spec_.name, number_);
}

void Generation::announce(unsigned front) {
  std::vector<int> descriptors = memory_->for_front(front);
  for (const base::FileDescriptor& folder : static_folders_) descriptors.push_back(folder.get());
  world_.fronts.send(front, control::encode(description_), std::move(descriptors));
}

void Generation::on_worker_ready() {
  code_is_broken_ = false;
  if (state_ != State::kStarting) return;
  state_ = State::kReady;
  deadline_.cancel();
  journey_.enter(Journey::Step::kReady, base::monotonic_now());
  events_.ready();
}

bool Generation::makes_workers() const {
  return !spoiled_told_ && (lone_ || (interpreter_ && interpreter_->running()));
}

// Whoever would wait in vain is refused at once. While the zygote is gone a successor is on its way: that it does not
// start has to be known first.
void Generation::tell_pause() {
  const std::optional<base::Duration> pause = pool_->pause();
  if (state_ != State::kServing || !pause) return;
  if (!code_is_broken_ && !world_.is_stopping()) {
    if (!makes_workers() || *pause <= spec_.queue_timeout) return;
    world_.log.warning(
        "CW0529", fmt::format("{}: no worker stays alive; the next one is started in {}, requests are answered 503 "
                              "until then\nfix: the messages before say how the workers ended",
                              spec_.name, to_seconds(*pause)));
  }
  for (unsigned front = 0; front < world_.fronts.count(); ++front) send_pause(front, *pause);
}

void Generation::send_pause(unsigned front, base::Duration pause) {
  world_.fronts.send(front, control::encode(control::WorkersPaused{spec_.name, number_, pause, code_is_broken_}), {});
}

void Generation::on_successor_failed() {
  if (makes_workers()) return;
  code_is_broken_ = true;
  tell_pause();
}

void Generation::on_start_deadline() {
  if (state_ == State::kStarting) {
    fail({3, "CW0317",
          fmt::format("not ready within start_timeout = {}: gave up {}\n"
                      "fix: raise app.{}.start_timeout, or do slow work after the import, and after lifespan.startup",
                      base::seconds_text(spec_.start_timeout), journey_.where(base::monotonic_now()), spec_.name)});
  } else if (state_ == State::kDraining) {
    world_.log.warning("CW0523", fmt::format("{} had requests running longer than grace; they are ended\n"
                                             "fix: raise app.{}.grace, or make requests shorter",
                                             label(), spec_.name));
    end(kQuitPatience);
  } else if (state_ == State::kEnding && lanes_) {
    for (unsigned front = 0; front < world_.fronts.count(); ++front) lanes_->forget_front(front);
  }
}

void Generation::give_up() {
  fail({3, "CW0317",
        fmt::format("gave up {}, more than twice what the last start took, because another reload waits\n"
                    "fix: look for what the import waits for; slow work comes after it, and after lifespan.startup",
                    journey_.where(base::monotonic_now()))});
}

void Generation::fail(BootFailure failure) {
  if (state_ != State::kStarting) return;
  end(kZygoteGrace);
  events_.failed(failure);
}

void Generation::serve() {
  state_ = State::kServing;
  world_.fronts.broadcast(control::encode(control::Swap{spec_.name, number_}));
}

void Generation::drain() {
  state_ = State::kDraining;
  pool_->stop_filling();  // nothing waits for a worker here any more
  if (interpreter_) interpreter_->end(kQuitPatience, kZygoteGrace);
  deadline_.set(base::monotonic_now() + spec_.grace);
  for (unsigned front = 0; front < world_.fronts.count(); ++front) {
    if (!world_.fronts.running(front)) on_front_gone(front);
  }
  end_if_drained();
}

void Generation::on_drained(unsigned front) {
  drained_.at(front) = true;
  end_if_drained();
}

void Generation::end_if_drained() {
  if (state_ != State::kDraining) return;
  if (std::find(drained_.begin(), drained_.end(), false) == drained_.end()) end(spec_.grace);
}

void Generation::end(base::Duration grace) {
  if (state_ == State::kOver) return;
  state_ = State::kEnding;
  deadline_.set(base::monotonic_now() + kQuitPatience + grace + kLanePatience);
  if (interpreter_) interpreter_->end(kQuitPatience, kZygoteGrace);
  if (pool_) pool_->end(kQuitPatience, grace);
  // A front that ended before cannot say any more that a worker's lane is free.
  for (unsigned front = 0; lanes_ && front < world_.fronts.count(); ++front) {
    if (!world_.fronts.running(front)) lanes_->forget_front(front);
  }
}

void Generation::set_workers(unsigned workers) {
  if (pool_ && state_ <= State::kServing) pool_->set_target(std::min(workers, most_workers()));
}

void Generation::on_lane_free(unsigned front, unsigned lane) {
  if (lanes_) lanes_->front_freed(front, lane);
}

void Generation::on_stuck(const control::WorkerStuck& message) {
  if (!pool_) return;
  const char* client = message.client == "504"   ? "answered 504"
                       : message.client == "cut" ? "the response was cut"
                                                 : "nobody waits for it any more";
  const std::chrono::duration<double> timeout = spec_.timeout;
  if (message.method.empty()) {
    pool_->on_stuck(message.lane, fmt::format("an event loop has not turned for timeout = {:g} s", timeout.count()),
                    "look for code that blocks it (time.sleep, requests, long computations): async code awaits, or "
                    "hands such work to a thread");
    return;
  }
  pool_->on_stuck(
      message.lane,
      fmt::format("{} {} took longer than timeout = {:g} s; {}", message.method, message.path, timeout.count(), client),
      fmt::format("raise app.{}.timeout, or do this work outside of the request", spec_.name));
}

void Generation::on_broken(const control::WorkerBroken& message) {
  if (pool_) pool_->on_broken(message.lane, message.why);
}

void Generation::introduce_front(unsigned front) {
  if (!lanes_ || state_ >= State::kDraining) return;
  if (!memory_is_well()) events_.needs_successor("a front cannot serve it");
  announce(front);
  lanes_->introduce(front);
  if (state_ == State::kServing) {
    world_.fronts.send(front, control::encode(control::Swap{spec_.name, number_}), {});
    if (const auto pause = pool_->pause()) send_pause(front, *pause);
  }
}

// A draining generation is not introduced to the front's successor: nobody waits for its answers there.
void Generation::on_front_gone(unsigned front) {
  if (state_ < State::kDraining) return;
  if (lanes_) lanes_->forget_front(front);
  on_drained(front);
}

void Generation::sweep() {
  std::erase_if(dismissed_, [](const auto& process) { return !process->running(); });
  if (interpreter_ && !interpreter_->running()) interpreter_.reset();
  if (pool_) pool_->sweep();
  if (state_ == State::kEnding) finish_if_empty();
}

void Generation::finish_if_empty() {
  if (interpreter_ || !dismissed_.empty() || (pool_ && !pool_->empty()) || (lanes_ && !lanes_->all_free())) return;
  if (lanes_) world_.fronts.broadcast(control::encode(control::DropGeneration{spec_.name, number_}));
  deadline_.cancel();
  state_ = State::kOver;
}

void Generation::check_invariants() const {
  if (lanes_) lanes_->check_invariants();
  if (pool_) pool_->check_invariants();
  if (state_ >= State::kReady && state_ <= State::kServing && !pool_) std::abort();
  if (state_ == State::kOver && (interpreter_ || (pool_ && !pool_->empty()))) std::abort();
}

}  // namespace cutwater::supervise
