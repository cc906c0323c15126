// Generation: one load of an app's code: its zygote (or lone workers), its shared memory, its workers. Lives
// beside older and newer ones; AppSupervisor decides which takes the traffic.
//
//   kStarting --first worker ready--> kReady --serve()--> kServing --drain()--> kDraining --drained-->
//   kEnding --> kOver
//       \--------- failed, end() ---------------------------------------------------------------------^
//
// The states are in generation.cc, the start up to the first workers in generation_boot.cc, how a worker is made in
// generation_workers.cc.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "control/messages.h"
#include "supervise/app_spec.h"
#include "supervise/journey.h"
#include "supervise/shared_memory.h"
#include "supervise/worker_pool.h"

namespace cutwater::supervise {

struct BootFailure {
  int exit_code = 3;
  std::string code;  // "CW0312"
  std::string text;  // what happened, the user's last line first
};

class Generation {
 public:
  enum class State { kStarting, kReady, kServing, kDraining, kEnding, kOver };
  static constexpr unsigned kMostLanes = 64;    // link::Layout
  static constexpr unsigned kMostWorkers = 60;  // the rest is for those that replace others

  // Called from the loop; none of them may destroy the generation.
  struct Events {
    std::function<void()> ready;                                  // a worker is ready: may serve
    std::function<void(const BootFailure&)> failed;               // ends by itself now
    std::function<void(const std::string& why)> needs_successor;  // workers are missing, and none can be made
    std::function<void()> imported;                               // watch() is known
  };
  // `world` must outlive this. `lone`: do not try a zygote, as the last generation could not be forked.
  Generation(World& world, AppSpec spec, uint64_t number, bool lone, Events events);
  ~Generation();

  void start();
  void give_up();                      // its start, which takes too long while another reload waits
  void serve();                        // takes the traffic; the fronts are told
  void drain();                        // a newer one serves: finish what runs, then end
  void end(base::Duration grace);      // ask the workers to finish now; kill them after `grace`
  void set_workers(unsigned workers);  // at most most_workers()
  unsigned most_workers() const;       // with room for one that replaces another

  // From the fronts. Those about lanes ignore what names nothing.
  void on_lane_free(unsigned front, unsigned lane);
  void on_stuck(const control::WorkerStuck& message);
  void on_broken(const control::WorkerBroken& message);
  void on_drained(unsigned front);
  void introduce_front(unsigned front);
  void on_front_gone(unsigned front);
  // The generation that was to follow does not start.
  void on_successor_failed();

  void sweep();  // at the end of a turn
  void check_invariants() const;

  State state() const { return state_; }
  uint64_t number() const { return number_; }
  const AppSpec& spec() const { return spec_; }
  bool lone() const { return lone_; }
  pid_t interpreter_pid() const { return interpreter_ ? interpreter_->pid() : 0; }
  unsigned workers() const { return pool_ ? pool_->target() : spec_.workers; }
  unsigned ready_workers() const { return pool_ ? pool_->ready_count() : 0; }
  const Journey& journey() const { return journey_; }
  const control::Imported& imported() const { return imported_; }
  const control::WatchFolders& watch() const { return watch_; }

 private:
  static constexpr base::Duration kQuitPatience = std::chrono::seconds(1);
  static constexpr base::Duration kZygoteGrace = std::chrono::seconds(5);

  void start_interpreter(bool as_lone);
  void on_interpreter_message(control::Message& message);
  void on_interpreter_exit(const ExitStatus& status);
  void on_interpreter_silent(const std::string& why);
  void on_watch(const control::Message& message);
  void on_imported(control::Imported imported);
  bool is_asynchronous() const;
  bool runs_greenlets() const;
  unsigned requests_per_worker() const;
  void open_static_folders();
  void announce(unsigned front);
  void start_workers();
  bool launch(Worker& worker);
  bool memory_is_well();
  bool launch_forked(Worker& worker);
  bool launch_lone(Worker& worker);
  void on_lone_message(Worker& worker, control::Message& message);
  void attach(Worker& worker);
  void on_worker_ready();
  bool makes_workers() const;
  void tell_pause();
  void send_pause(unsigned front, base::Duration pause);
  void on_start_deadline();
  void fail(BootFailure failure);
  void end_if_drained();
  void finish_if_empty();
  std::string label() const;

  World& world_;
  const AppSpec spec_;
  const uint64_t number_;
  bool lone_;
  Events events_;
  State state_ = State::kStarting;
  Journey journey_;
  control::Imported imported_;
  control::WatchFolders watch_;
  std::unique_ptr<ManagedProcess> interpreter_;  // the zygote; or the first lone worker until it has imported
  std::vector<std::unique_ptr<ManagedProcess>> dismissed_;  // zygotes that are told to quit
  std::optional<SharedMemory> memory_;
  bool spoiled_told_ = false;  // no worker can be attached to it any more
  std::vector<base::FileDescriptor> static_folders_;
  control::GenerationCreated description_;
  std::optional<Lanes> lanes_;
  std::optional<WorkerPool> pool_;
  std::vector<bool> drained_;    // per front
  bool code_is_broken_ = false;  // what the next worker would run does not start
  io::Timer deadline_;
};

}  // namespace cutwater::supervise
