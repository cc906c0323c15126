// WorkerPool: from being launched to being ready. A forked worker's pid comes from its zygote or, when that
// died meanwhile, from the worker itself.
#include <fmt/format.h>
#include <signal.h>

#include "control/messages.h"
#include "supervise/told.h"
#include "supervise/worker_pool.h"

namespace cutwater::supervise {

ManagedProcess::Events WorkerPool::events_for(Worker& worker) {
  return {[this, &worker](control::Message& message) { on_message(worker, message); },
          [this, &worker](const ExitStatus& status) { on_exited(worker, status); },
          [this, &worker](const std::string& why) { on_channel_ended(worker, why); }};
}

void WorkerPool::announce(Worker& worker) {
  if (lanes_.announce(worker.lane, worker.process->pid(), worker.process->pidfd())) return;
  world_.log.error("CW0524", fmt::format("{}: {} cannot be watched and is ended", spec_.name, name_of(worker)));
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
void WorkerPool::on_fork_failed(uint64_t number, const std::string& text, const std::string& fix) {
  Worker* worker = unknown_worker(number);
  if (!worker) return;
  if (!std::exchange(fork_fails_, true)) {
    // Before one was ever ready others serve, of an older generation.
    const std::string left = ever_ready_ ? fmt::format("{} serve, ", ready_count()) : "";
    world_.log.error("CW0524", fmt::format("{}: no worker can be forked: {}; {}it is tried again\nfix: {}", spec_.name,
                                           text, left, fix));
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
  if (log_if_told(message, world_.log)) return;
  const std::string type = message.type();
  if (type == control::WorkerReady::kType) {
    auto ready = control::decode<control::WorkerReady>(message.body);
    if (ready) on_ready(worker, ready->pid);
  } else if (type == control::WorkerEnding::kType) {
    auto ending = control::decode<control::WorkerEnding>(message.body);
    if (ending) on_ending(worker, ending->reason);
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
  if (worker.ends_by_itself) on_ending(worker, worker.reason);
}

}  // namespace cutwater::supervise
