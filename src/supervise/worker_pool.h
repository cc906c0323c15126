// WorkerPool: the workers of one generation. A *position* is one of the workers that should be there; a
// *worker* is a process that fills one, until it dies or is replaced. Whoever dies is started again by its
// position's restart policy; whoever is stuck gets its replacement first, on a spare lane, and is ended
// afterwards.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "supervise/app_spec.h"
#include "supervise/lanes.h"
#include "supervise/managed_process.h"
#include "supervise/restart_policy.h"

namespace cutwater::supervise {

struct Position;

struct Worker {
  enum class State { kStarting, kReady, kLeaving, kGone };

  uint64_t number = 0;
  unsigned lane = 0;
  State state = State::kStarting;
  Position* position = nullptr;  // nullptr: replaced, or wanted no more
  std::unique_ptr<ManagedProcess> process;
  std::optional<Lanes::Offer> offer;  // what it still has to be given
  pid_t claimed_pid = 0;              // what it says, while its zygote has not said it
  base::Instant ready_at = base::kNever;
  base::Instant stopped_since = base::kNever;  // by SIGSTOP, as far as we have looked
  std::string reason;                          // why it left, in its own words
  bool holds_strangers = false;
  std::unique_ptr<io::Timer>
      deadline;  // to be ready; or, when stuck, to be ended whatever its replacement does
};

struct Position {
  RestartPolicy policy;
  Worker* worker = nullptr;
  Worker* replaced = nullptr;  // is ended as soon as `worker` is ready
  bool wants_lane = false;
  std::unique_ptr<io::Timer> retry;
};

class WorkerPool {
 public:
  struct Events {
    // Makes `worker.process` (with events_for) for the lane in `worker.offer`. False: not possible now.
    std::function<bool(Worker& worker)> launch;
    // What only the generation understands: a lone worker's `imported` and `failed`.
    std::function<void(Worker& worker, control::Message& message)> message;
    std::function<void()> worker_ready;
    std::function<void(const std::string& why)> cannot_start;  // no worker was ever ready, again and again
    std::function<void()> paused;                              // pause() has begun
    std::function<void()> zygote_hangs;                        // it was asked for a worker and says nothing
  };
  // `world` and `lanes` must outlive this.
  WorkerPool(World& world, Lanes& lanes, const AppSpec& spec, Events events);
  ~WorkerPool();

  void set_target(unsigned workers);
  unsigned target() const { return static_cast<unsigned>(positions_.size()); }
  unsigned ready_count() const;
  bool empty() const { return workers_.empty(); }
  // Every worker is gone and none is started before so long: they keep dying, or cannot be started.
  std::optional<base::Duration> pause() const;

  ManagedProcess::Events events_for(Worker& worker);
  // The process of a worker that was launched without one is known now.
  void adopt(Worker& worker, StartedProcess process);
  void on_forked(uint64_t number, pid_t pid);
  void on_fork_failed(uint64_t number, const std::string& text);
  void on_zygote_gone();
  void on_stuck(unsigned lane, const std::string& what);
  void on_broken(unsigned lane, const std::string& why);

  // No worker is started any more.
  void stop_filling();
  // The same, and those that run are asked to finish, and killed after `grace`.
  void end(base::Duration patience, base::Duration grace);

  void sweep();  // at the end of a turn: frees what is gone
  void check_invariants() const;

 private:
  void fill(Position& position);
  void retry_later(Position& position, base::Duration lived);
  void replace(Worker& worker);
  void end_worker(Worker& worker, base::Duration patience, base::Duration grace);
  void kill_longest_leaving();
  void announce(Worker& worker);
  void on_message(Worker& worker, control::Message& message);
  void on_ready(Worker& worker, pid_t pid);
  void become_ready(Worker& worker);
  void on_channel_ended(Worker& worker, const std::string& why);
  void on_exited(Worker& worker, const ExitStatus& status);
  void on_deadline(Worker& worker);
  void look_for_stopped();
  void mark_gone(Worker& worker);
  void log_end(const Worker& worker, const ExitStatus& status);
  void release_strangers(Worker& worker);
  Worker* on_lane(unsigned lane);
  Worker* unknown_worker(uint64_t number);
  std::string name_of(const Worker& worker) const;

  World& world_;
  Lanes& lanes_;
  const AppSpec& spec_;
  Events events_;
  std::vector<std::unique_ptr<Position>> positions_;
  std::vector<std::unique_ptr<Worker>> workers_;  // oldest first
  io::Timer look_;
  uint64_t next_number_ = 1;
  unsigned failed_starts_ = 0;
  bool ever_ready_ = false;
  bool fork_fails_ = false;
  bool zygote_gone_ = false;
  bool filling_ = true;
  bool ending_ = false;
};

}  // namespace cutwater::supervise
