// SpawnerFront: the spawner's side of its channel to one front: what that front has started, and the word of how each
// ended. When it goes, or the front does, all of that is ended.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>

#include "app/spawner_processes.h"
#include "control/channel.h"
#include "io/loop.h"
#include "io/timer.h"
#include "io/watch.h"
#include "supervise/program_groups.h"
#include "supervise/script_start.h"
#include "supervise/warm_pythons.h"

namespace cutwater::app {

class SpawnerFront final : private supervise::WarmRunWatcher {
 public:
  // All outlive this.
  SpawnerFront(io::Loop& loop, control::Channel channel, supervise::ScriptStarter& starter,
               supervise::PoolStarter& pools, supervise::ProgramGroups& groups, supervise::WarmPythons& warm);
  ~SpawnerFront() override;
  SpawnerFront(const SpawnerFront&) = delete;
  SpawnerFront& operator=(const SpawnerFront&) = delete;

  // Whether it was this front's. `never_ran`: a script that was not executed after all, and why.
  bool on_program_end(pid_t pid, const supervise::ExitStatus& status,
                      const std::optional<supervise::ScriptStarted>& never_ran);
  // For its log.
  void tell(const std::string& notice);

 private:
  // What is to be started, kept until it runs.
  struct Asked {
    unsigned entry = 0;
    supervise::ScriptRequest request;
    std::vector<base::FileDescriptor> descriptors;
  };
  struct Warm {
    uint64_t script = 0;
    Asked asked;
  };
  void listen();
  void on_events();
  bool on_message(control::Message& message);
  bool start_script(control::Message& message);
  void start(uint64_t script, Asked asked, bool may_be_warm);
  void on_warm_begin(uint64_t run, pid_t pid) override;
  void on_warm_refusal(uint64_t run) override;
  void on_warm_end(uint64_t run, const supervise::ExitStatus& status) override;
  void send_refused(uint64_t script, const supervise::ScriptStarted& refusal);
  void send_ended(uint64_t script, const supervise::ExitStatus& status);
  bool is_known(uint64_t script) const;
  void send(const nlohmann::json& body);
  void end_all();

  io::Loop& loop_;
  control::Channel channel_;
  supervise::ScriptStarter& starter_;
  supervise::ProgramGroups& groups_;
  supervise::WarmPythons& warm_;
  std::unique_ptr<io::CallbackWatcher> watcher_;  // none: the front is gone, or there is no room for descriptors
  io::Timer room_;
  std::map<uint64_t, pid_t> running_;  // the front's number -> the program
  std::map<pid_t, uint64_t> numbers_;  // and back
  SpawnerProcesses processes_;
  std::map<uint64_t, Warm> waiting_;  // by their runs: warm Pythons have them, and have not begun
};

}  // namespace cutwater::app
