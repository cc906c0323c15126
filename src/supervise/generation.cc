#include "supervise/generation.h"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <cstdlib>

#include "io/wake.h"
#include "supervise/interpreter.h"

namespace cutwater::supervise {
namespace {

constexpr unsigned kMostLanes = 64;  // link::Layout
constexpr unsigned kFewestSpareLanes = 4;
constexpr unsigned kMostWorkers = kMostLanes - kFewestSpareLanes;
constexpr base::Duration kQuitPatience = std::chrono::seconds(1);
constexpr base::Duration kZygoteGrace = std::chrono::seconds(5);
// Fronts need an instant to answer for the lanes of workers that have just ended.
constexpr base::Duration kLanePatience = std::chrono::seconds(5);

unsigned lanes_for(unsigned workers) {
  return std::min(kMostLanes, workers + std::max(workers, kFewestSpareLanes));
}

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

void Generation::start() {
  deadline_.set(base::monotonic_now() + spec_.start_timeout);
  start_interpreter(lone_);
}

void Generation::start_interpreter(bool as_lone) {
  journey_.enter(Journey::Step::kStartingInterpreter, base::monotonic_now());
  ManagedProcess::Events events{[this](control::Message& message) { on_interpreter_message(message); },
                                [this](const ExitStatus& status) { on_interpreter_exit(status); },
                                [this](const std::string& why) { on_interpreter_silent(why); }};
  auto started = supervise::start_interpreter(world_.loop, world_.children, spec_,
                                              as_lone ? "worker" : "zygote", std::move(events));
  if (!started) {
    fail({3,
          "CW0205",
          "the interpreter does not start: " + started.error().message +
              fmt::format("\nfix: set app.{}.python or app.{}.user, or move the files to where that user may "
                          "read them",
                          spec_.name, spec_.name),
          {}});
    return;
  }
  interpreter_ = std::move(*started);
  journey_.enter(Journey::Step::kImporting, base::monotonic_now());
}

void Generation::on_interpreter_message(control::Message& message) {
  const std::string type = message.type();
  if (type == control::Imported::kType) {
    if (state_ != State::kStarting || journey_.step() != Journey::Step::kImporting) return;
    auto imported = control::decode<control::Imported>(message.body);
    if (imported) {
      on_imported(std::move(*imported));
    } else {
      fail({3, "CW0316", "the interpreter sent nonsense: " + imported.error().message, {}});
    }
  } else if (type == control::BootFailed::kType) {
    auto failed = control::decode<control::BootFailed>(message.body);
    if (state_ == State::kStarting && failed) {
      fail({failed->exit_code == 4 ? 4 : 3, failed->code, failed->text, failed->watch});
    } else if (failed) {
      world_.log.error(failed->code, spec_.name + ": " + failed->text);
    }
  } else if (type == control::Forked::kType && pool_) {
    auto forked = control::decode<control::Forked>(message.body);
    if (forked) pool_->on_forked(forked->worker, forked->pid);
  } else if (type == control::ForkFailed::kType && pool_) {
    auto failed = control::decode<control::ForkFailed>(message.body);
    if (failed) pool_->on_fork_failed(failed->worker, failed->text);
  }
}

void Generation::on_interpreter_exit(const ExitStatus& status) {
  if (state_ == State::kStarting) {
    fail({3,
          "CW0316",
          fmt::format("the interpreter {} {}", status.describe(), journey_.where(base::monotonic_now())),
          {}});
  } else if (state_ <= State::kServing) {
    world_.log.warning("CW0525",
                       fmt::format("{}: its zygote {}; its workers serve on, a new one is started when it is "
                                   "needed",
                                   label(), status.describe()));
  }
  if (pool_) pool_->on_zygote_gone();
}

// Its channel ended: it is about to exit, or it sent what is no message and cannot be trusted any more.
void Generation::on_interpreter_silent(const std::string& why) {
  if (!why.empty()) {
    const std::string text = "the interpreter sent " + why;
    if (state_ == State::kStarting)
      fail({3, "CW0316", text, {}});
    else
      world_.log.error("CW0316", label() + ": " + text);
  }
  if (interpreter_) interpreter_->terminate_after(kQuitPatience, kZygoteGrace);
}

void Generation::on_imported(control::Imported imported) {
  imported_ = std::move(imported);
  for (const std::string& note : imported_.notes) world_.log.info(spec_.name + ": " + note);
  if (!lone_ && !imported_.fork_safe && spec_.preload != "true") {
    world_.log.info(fmt::format("{}: workers are started one by one instead of forked: {}", spec_.name,
                                imported_.fork_reason));
    lone_ = true;
    interpreter_->set_events({[](control::Message&) {}, [](const ExitStatus&) {}, [](const std::string&) {}});
    interpreter_->end(kQuitPatience, kZygoteGrace);
    dismissed_.push_back(std::move(interpreter_));
    start_interpreter(true);
    return;
  }
  journey_.enter(Journey::Step::kMakingSharedMemory, base::monotonic_now());
  if (!make_shared_memory()) return;
  open_static_folders();
  for (unsigned front = 0; front < world_.fronts.count(); ++front) announce(front);
  journey_.enter(Journey::Step::kStartingWorkers, base::monotonic_now());
  start_workers();
}

bool Generation::make_shared_memory() {
  const unsigned lanes = lanes_for(std::min(spec_.workers, kMostWorkers));
  auto segment = world_.create_segment(world_.fronts.count(), lanes);
  if (!segment) {
    fail({3, "CW0526", "no shared memory: " + segment.error().message, {}});
    return false;
  }
  segment_ = std::move(*segment);
  for (unsigned front = 0; front < world_.fronts.count(); ++front) {
    auto wake = io::create_wake_descriptor();
    auto alarm = io::create_alarm_descriptor();
    if (!wake || !alarm) {
      fail({3, "CW0526", "no wake-up: " + (wake ? alarm : wake).error().message, {}});
      return false;
    }
    front_wakes_.push_back(std::move(*wake));
    front_alarms_.push_back(std::move(*alarm));
  }
  lanes_.emplace(world_.fronts, spec_.name, number_, lanes);
  return true;
}

// Opened with the app's own rights: it may not name a folder that it could not read itself.
void Generation::open_static_folders() {
  description_ = {spec_.name, number_, spec_.prefix, spec_.timeout, spec_.queue, spec_.queue_timeout,
                  "auto",     {}};
  for (const control::StaticFolder& folder : imported_.static_folders) {
    auto opened = open_folder_as(spec_.identity ? *spec_.identity : current_identity(), folder.root);
    if (opened) {
      description_.static_folders.push_back({folder.prefix, folder.cache});
      static_folders_.push_back(std::move(*opened));
    } else {
      world_.log.warning("CW0806", fmt::format("{}: static files at {} are not served: {}", spec_.name,
                                               folder.prefix, opened.error().message));
    }
  }
}

void Generation::announce(unsigned front) {
  std::vector<int> descriptors{segment_.get(), front_wakes_[front].get(), front_alarms_[front].get()};
  for (const base::FileDescriptor& folder : static_folders_) descriptors.push_back(folder.get());
  world_.fronts.send(front, control::encode(description_), std::move(descriptors));
}

void Generation::start_workers() {
  unsigned workers = spec_.workers;
  if (workers > kMostWorkers) {
    world_.log.warning("CW0527", fmt::format("{}: {} workers are the most there can be; {} were asked for",
                                             spec_.name, kMostWorkers, workers));
    workers = kMostWorkers;
  }
  pool_.emplace(world_, *lanes_, spec_,
                WorkerPool::Events{
                    [this](Worker& worker) { return launch(worker); },
                    [this](Worker& worker, control::Message& message) { on_lone_message(worker, message); },
                    [this] { on_worker_ready(); },
                    [this](const std::string& why) {
                      fail({3, "CW0528", why, {}});
                    },
                    [this] { tell_pause(); },
                    [this] {
                      if (interpreter_) interpreter_->signal(SIGKILL);
                    }});
  pool_->set_target(workers);
}

bool Generation::launch(Worker& worker) {
  return lone_ ? launch_lone(worker) : launch_forked(worker);
}

bool Generation::launch_forked(Worker& worker) {
  if (!interpreter_ || !interpreter_->running()) {
    events_.needs_successor();
    return false;
  }
  auto channels = control::Channel::make_pair();
  if (!channels) {
    world_.log.error("CW0524",
                     fmt::format("{}: no worker can be started: {}", spec_.name, channels.error().message));
    return false;
  }
  auto& [ours, theirs] = *channels;
  if (!interpreter_->send(control::encode(control::Fork{worker.lane, worker.number}),
                          lane_descriptors(*worker.offer, theirs.descriptor()))) {
    return false;
  }
  worker.process = std::make_unique<ManagedProcess>(world_.loop, world_.children, std::nullopt,
                                                    std::move(ours), pool_->events_for(worker));
  worker.offer->lane_sockets.clear();  // they travel with the message
  return true;
}

std::vector<int> Generation::lane_descriptors(const Lanes::Offer& offer, int channel) const {
  std::vector<int> descriptors{segment_.get(), offer.wake};
  if (channel >= 0) descriptors.push_back(channel);
  for (size_t front = 0; front < front_wakes_.size(); ++front) {
    descriptors.push_back(front_wakes_[front].get());
    descriptors.push_back(front_alarms_[front].get());
    descriptors.push_back(offer.lane_sockets[front].get());
  }
  return descriptors;
}

bool Generation::launch_lone(Worker& worker) {
  if (interpreter_) {  // the one whose import brought us here
    worker.process = std::move(interpreter_);
    worker.process->set_events(pool_->events_for(worker));
    attach(worker);
    return true;
  }
  auto started =
      supervise::start_interpreter(world_.loop, world_.children, spec_, "worker", pool_->events_for(worker));
  if (!started) {
    world_.log.error("CW0205",
                     fmt::format("{}: no worker can be started: {}", spec_.name, started.error().message));
    return false;
  }
  worker.process = std::move(*started);
  return true;
}

void Generation::attach(Worker& worker) {
  if (!worker.offer) return;
  worker.process->send(control::encode(control::Attach{worker.lane, worker.number}),
                       lane_descriptors(*worker.offer, -1));
  worker.offer.reset();
}

void Generation::on_lone_message(Worker& worker, control::Message& message) {
  const std::string type = message.type();
  if (type == control::Imported::kType) {
    attach(worker);
  } else if (type == control::BootFailed::kType) {
    auto failed = control::decode<control::BootFailed>(message.body);
    if (!failed) return;
    if (state_ == State::kStarting) {
      fail({failed->exit_code == 4 ? 4 : 3, failed->code, failed->text, failed->watch});
    } else {
      world_.log.error(failed->code, spec_.name + ": " + failed->text);
    }
  }
}

void Generation::on_worker_ready() {
  if (state_ != State::kStarting) return;
  state_ = State::kReady;
  deadline_.cancel();
  journey_.enter(Journey::Step::kReady, base::monotonic_now());
  events_.ready();
}

// Whoever would wait in vain is refused at once. Not while the zygote is gone: then a successor is on its way.
void Generation::tell_pause() {
  const std::optional<base::Duration> pause = pool_->pause();
  const bool helps_itself = lone_ || (interpreter_ && interpreter_->running());
  if (state_ != State::kServing || !helps_itself || !pause || *pause <= spec_.queue_timeout) return;
  world_.log.warning("CW0529", fmt::format("{}: no worker stays alive; the next one is started in {}, requests are "
                                           "answered 503 until then",
                                           spec_.name, to_seconds(*pause)));
  world_.fronts.broadcast(control::encode(control::WorkersPaused{spec_.name, number_, *pause}));
}

void Generation::on_start_deadline() {
  if (state_ == State::kStarting) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(spec_.start_timeout).count();
    fail({3,
          "CW0317",
          fmt::format("not ready within start_timeout = {} s: gave up {}", seconds,
                      journey_.where(base::monotonic_now())),
          {}});
  } else if (state_ == State::kDraining) {
    world_.log.warning("CW0523", label() + " had requests running longer than grace; they are ended");
    end(kQuitPatience);
  } else if (state_ == State::kEnding && lanes_) {
    for (unsigned front = 0; front < world_.fronts.count(); ++front) lanes_->forget_front(front);
  }
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
  if (pool_ && state_ <= State::kServing) pool_->set_target(std::min(workers, kMostWorkers));
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
  pool_->on_stuck(message.lane, fmt::format("{} {} took longer than timeout = {:g} s; {}", message.method,
                                            message.path, timeout.count(), client));
}

void Generation::on_broken(const control::WorkerBroken& message) {
  if (pool_) pool_->on_broken(message.lane, message.why);
}

void Generation::introduce_front(unsigned front) {
  if (!lanes_ || state_ >= State::kDraining) return;
  announce(front);
  lanes_->introduce(front);
  if (state_ == State::kServing) {
    world_.fronts.send(front, control::encode(control::Swap{spec_.name, number_}), {});
    if (const auto pause = pool_->pause()) {
      world_.fronts.send(front, control::encode(control::WorkersPaused{spec_.name, number_, *pause}), {});
    }
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
  if (interpreter_ || !dismissed_.empty() || (pool_ && !pool_->empty()) || (lanes_ && !lanes_->all_free()))
    return;
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
