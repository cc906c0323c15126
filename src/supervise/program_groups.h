// ProgramGroups: programs that start_apart() started, with everything that comes from them. Each leads a session; when
// it ends, or is to, the rest of its session ends too, and whatever left the session: as the subreaper this process
// becomes the parent of what lost its own. Each of these strays hears SIGTERM first. How long it has depends on where
// it comes from, not on when it was met: what keeps forking away from itself gains nothing.
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <set>
#include <vector>

#include "base/file_descriptor.h"
#include "io/loop.h"
#include "io/timer.h"
#include "supervise/exit_status.h"

namespace cutwater::supervise {

class ProgramGroups {
 public:
  static constexpr base::Duration kGrace = std::chrono::seconds(2);  // between SIGTERM and SIGKILL

  // `on_end` is called when a program itself was waited for; what it left behind may still be ending. `loop` outlives
  // this. This process becomes a subreaper.
  ProgramGroups(io::Loop& loop, std::function<void(pid_t, const ExitStatus&)> on_end);
  ProgramGroups(const ProgramGroups&) = delete;
  ProgramGroups& operator=(const ProgramGroups&) = delete;

  void add(pid_t leader);
  // One that a program of ours has forked and that leads a session, too; `process`: its pidfd. Its parent tells its
  // end, by on_adopted_end(), unless that parent ends first: then it is a child of this process and its end is seen
  // here.
  void adopt(pid_t leader, base::FileDescriptor process);
  void on_adopted_end(pid_t leader, const ExitStatus& status);
  // SIGTERM now, SIGKILL after `grace`; asked again only the sooner end counts.
  void end(pid_t leader, base::Duration grace = kGrace);
  void end_all(base::Duration grace);
  // At SIGCHLD: waits for every child that has ended.
  void reap();
  // Whether it is a program of these.
  bool has(pid_t leader) const { return leaders_.contains(leader); }
  // No program runs and nothing that one left behind.
  bool empty() const { return leaders_.empty() && strays_.empty(); }

 private:
  void on_leader_end(pid_t pid);
  void signal_leader(pid_t leader, int signal) const;
  void look_for_strays();
  void meet_strays(const std::vector<pid_t>& children);  // all of ours
  void see_runaways(base::Instant now);
  void meet_stray(pid_t pid, base::Instant kill_at, base::Instant now);
  void signal_group_of(pid_t pid, int signal) const;
  void on_deadline();
  void wait_until(base::Instant moment);

  std::function<void(pid_t, const ExitStatus&)> on_end_;
  base::Duration grace_ = kGrace;                  // of strays
  std::map<pid_t, base::Instant> leaders_;         // when to kill; kNever: nobody has ended it
  std::map<pid_t, base::FileDescriptor> adopted_;  // those of the leaders that are another's children
  std::map<pid_t, base::Instant> sessions_;        // of programs that have ended: when what is left of them is killed
  // Runaways are strays that have left every such session. As long as there are any, their time is that of the first.
  base::Instant runaways_until_ = base::kNever;
  base::Instant runaways_gone_{INT64_MIN / 2};  // since when none was seen; kNever: some are there
  std::set<pid_t> strays_;                      // children of ours that belong to no running program
  io::Timer deadline_;
};

// All children of the calling thread; none where the kernel does not tell (CONFIG_PROC_CHILDREN).
std::vector<pid_t> children_of_this_thread();

}  // namespace cutwater::supervise
