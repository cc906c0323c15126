// SpawnerProcesses: the processes of pools that one front has had started, by the numbers that the front gave them.
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>

#include "control/channel.h"
#include "control/pool_messages.h"
#include "supervise/pool_start.h"
#include "supervise/program_groups.h"

namespace cutwater::app {

class SpawnerProcesses {
 public:
  using Send = std::function<void(const nlohmann::json& body)>;
  // All outlive this. `send`: to the front.
  SpawnerProcesses(supervise::PoolStarter& starter, supervise::ProgramGroups& groups, Send send)
      : starter_(starter), groups_(groups), send_(std::move(send)) {}

  // False: nobody who is to be believed sends that.
  bool start(control::Message& message);
  bool end(const control::Message& message);
  // Whether it was one of these.
  bool on_program_end(pid_t pid, const supervise::ExitStatus& status);
  void end_all();

 private:
  struct Process {
    pid_t pid = 0;
    unsigned entry = 0;
  };

  supervise::PoolStarter& starter_;
  supervise::ProgramGroups& groups_;
  Send send_;
  std::map<uint64_t, Process> running_;  // the front's number -> the process
  std::map<pid_t, uint64_t> numbers_;    // and back
};

}  // namespace cutwater::app
