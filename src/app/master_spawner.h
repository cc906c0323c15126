// MasterSpawner: the spawner as the master sees it: started before anything hears the network, replaced when it dies,
// and introduced to each front.
#pragma once

#include <memory>
#include <optional>

#include "app/master_fronts.h"
#include "app/master_sockets.h"
#include "config/model.h"
#include "supervise/managed_process.h"
#include "supervise/restart_policy.h"

namespace cutwater::app {

class MasterSpawner {
 public:
  // All outlive this. `fronts` need not have been started; nothing is started as `front_user`, whom they run as.
  MasterSpawner(io::Loop& loop, supervise::Children& children, base::LogSink& log, const config::Config& config,
                std::optional<uid_t> front_user, Sockets& sockets, FrontGroup& fronts);

  // Logs why not.
  bool start();
  // Gives that front a channel to the spawner, when there are programs to start.
  void introduce(unsigned front);
  void introduce_all();
  // Python scripts get interpreters that read their modules anew.
  void renew_warm();
  // From then on it is not started again.
  void end(base::Duration patience, base::Duration grace);
  bool running() const { return process_ && process_->running(); }

 private:
  void on_exit(const supervise::ExitStatus& status);
  void restart_after(base::Duration lived);
  void end_orphans();

  io::Loop& loop_;
  supervise::Children& children_;
  base::LogSink& log_;
  const config::Config& config_;
  const std::optional<uid_t> front_user_;
  Sockets& sockets_;
  FrontGroup& fronts_;
  std::unique_ptr<supervise::ManagedProcess> process_;
  supervise::RestartPolicy policy_;
  io::Timer restart_;
  io::Timer orphans_;
  base::Instant orphans_until_{0};  // they are looked for
  base::Instant started_at_{0};
  bool ending_ = false;
};

// Whether there is anything that the spawner may be asked for.
bool starts_programs(const config::Config& config);

// Whether each pool has somebody that this server can run it as; logs where not.
bool check_pool_users(const config::Config& config, base::LogSink& log);

// The same, and whether each has a program.
bool check_pools(const config::Config& config, base::LogSink& log);

// Whether each `user` of routes with scripts is somebody that this server can run them as; logs who is not.
bool check_script_users(const config::Config& config, base::LogSink& log);

}  // namespace cutwater::app
