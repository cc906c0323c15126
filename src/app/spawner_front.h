// SpawnerFront: the spawner's side of its channel to one front: what that front has started, and the word of how each
// ended. When it goes, or the front does, all of that is ended.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <memory>

#include "app/spawner_processes.h"
#include "control/channel.h"
#include "io/loop.h"
#include "io/timer.h"
#include "io/watch.h"
#include "supervise/program_groups.h"
#include "supervise/script_start.h"

namespace cutwater::app {

class SpawnerFront {
 public:
  // All outlive this.
  SpawnerFront(io::Loop& loop, control::Channel channel, supervise::ScriptStarter& starter,
               supervise::PoolStarter& pools, supervise::ProgramGroups& groups);
  ~SpawnerFront();
  SpawnerFront(const SpawnerFront&) = delete;
  SpawnerFront& operator=(const SpawnerFront&) = delete;

  // Whether it was this front's.
  bool on_program_end(pid_t pid, const supervise::ExitStatus& status);

 private:
  void listen();
  void on_events();
  bool on_message(control::Message& message);
  bool start_script(control::Message& message);
  void send(const nlohmann::json& body);
  void end_all();

  io::Loop& loop_;
  control::Channel channel_;
  supervise::ScriptStarter& starter_;
  supervise::ProgramGroups& groups_;
  std::unique_ptr<io::CallbackWatcher> watcher_;  // none: the front is gone, or there is no room for descriptors
  io::Timer room_;
  std::map<uint64_t, pid_t> running_;  // the front's number -> the program
  std::map<pid_t, uint64_t> numbers_;  // and back
  SpawnerProcesses processes_;
};

}  // namespace cutwater::app
