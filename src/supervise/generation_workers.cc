// Generation: how one of its workers is made: forked by the zygote, or an interpreter of its own.
#include <fmt/format.h>

#include <utility>

#include "supervise/generation.h"
#include "supervise/interpreter.h"

namespace cutwater::supervise {

bool Generation::launch(Worker& worker) {
  if (!memory_is_well()) {
    events_.needs_successor("workers are missing");
    return false;
  }
  return lone_ ? launch_lone(worker) : launch_forked(worker);
}

bool Generation::memory_is_well() {
  if (auto checked = memory_->check(world_); !checked) {
    if (!std::exchange(spoiled_told_, true)) {
      world_.log.error("CW0522",
                       fmt::format("{}: a worker has spoiled the memory that it shares with the front ({}); no "
                                   "worker can be started in it any more\n"
                                   "fix: look for native packages that write where they must not",
                                   spec_.name, checked.error().message));
    }
    return false;
  }
  return true;
}

bool Generation::launch_forked(Worker& worker) {
  if (!interpreter_ || !interpreter_->running()) {
    events_.needs_successor("workers are missing and the zygote is gone");
    return false;
  }
  auto channels = control::Channel::make_pair();
  if (!channels) {
    world_.log.error("CW0524", fmt::format("{}: no worker can be started: {}", spec_.name, channels.error().message));
    return false;
  }
  auto& [ours, theirs] = *channels;
  if (!interpreter_->send(control::encode(control::Fork{worker.lane, worker.number}),
                          memory_->for_forked_worker(*worker.offer, theirs.descriptor()))) {
    return false;
  }
  worker.process = std::make_unique<ManagedProcess>(world_.loop, world_.children, std::nullopt, std::move(ours),
                                                    pool_->events_for(worker));
  worker.offer->lane_sockets.clear();  // they travel with the message
  return true;
}

bool Generation::launch_lone(Worker& worker) {
  if (interpreter_) {  // the one whose import brought us here
    worker.process = std::move(interpreter_);
    worker.process->set_events(pool_->events_for(worker));
    attach(worker);
    return true;
  }
  auto started = supervise::start_interpreter(world_.loop, world_.children, spec_, "worker", pool_->events_for(worker));
  if (!started) {
    world_.log.error("CW0205", fmt::format("{}: no worker can be started: {}", spec_.name, started.error().message));
    code_is_broken_ = state_ == State::kServing;
    return false;
  }
  worker.process = std::move(*started);
  return true;
}

void Generation::attach(Worker& worker) {
  if (!worker.offer) return;
  worker.process->send(control::encode(control::Attach{worker.lane, worker.number}),
                       memory_->for_lone_worker(*worker.offer));
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
      fail({failed->exit_code == 4 ? 4 : 3, failed->code, failed->text});
    } else {
      code_is_broken_ = state_ == State::kServing;
      world_.log.error(failed->code, spec_.name + ": " + failed->text);
    }
  }
}

}  // namespace cutwater::supervise
