// WorkerPool: the workers of one generation. Whoever dies is started again by its position's restart policy;
// whoever is stuck gets its replacement first, on a spare lane, and is ended afterwards. Positions and their
// filling are in worker_pool.cc, the first half of a worker's life in worker_pool_start.cc, the second in
// worker_pool_end.cc.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "supervise/app_spec.h"
#include "supervise/lanes.h"
#include "supervise/worker.h"

namespace cutwater::supervise {

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
  void on_fork_failed(uint64_t number, const std::string& text, const std::string& fix);
  void on_zygote_gone();
  void on_stuck(unsigned lane, const std::string& what, const std::string& fix);
  void on_broken(unsigned lane, const std::string& why);

  // No worker is started any more.
  void stop_filling();
  // The same, and those that run are asked to finish, and killed after `grace`.
  void end(base::Duration patience, base::Duration grace);

  void sweep();  // at the end of a turn: frees what is gone
  void check_invariants() const;

 private:
  // A worker that does not read its channel is told by SIGTERM.
  static constexpr base::Duration kQuitPatience = std::chrono::seconds(1);

  void fill(Position& position);
  void retry_later(Position& position, base::Duration lived);
  void fill_after(Position& position, base::Duration wait);
  std::optional<base::Duration> wait_for_successor(const Worker& worker);
  Position* let_leave(Worker& worker, base::Duration patience);
  void replace(Worker& worker);
  void end_worker(Worker& worker, base::Duration patience, base::Duration grace);
  void kill_longest_leaving();
  void announce(Worker& worker);
  void on_message(Worker& worker, control::Message& message);
  void on_ready(Worker& worker, pid_t pid);
  void become_ready(Worker& worker);
  void on_ending(Worker& worker, std::string reason);
  void on_channel_ended(Worker& worker, const std::string& why);
  void on_exited(Worker& worker, const ExitStatus& status);
  void on_deadline(Worker& worker);
  void look_for_stopped();
  void mark_gone(Worker& worker);
  bool was_stopped_with_us(const Worker& worker, const ExitStatus& status) const;
  void log_end(const Worker& worker, const ExitStatus& status, std::optional<base::Duration> wait);
  void release_strangers(Worker& worker);
  Worker* on_lane(unsigned lane);
  Worker* unknown_worker(uint64_t number);

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
