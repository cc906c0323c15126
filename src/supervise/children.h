// Children: every process this one has to wait for. Those somebody knows are watched by pidfd and told to
// their Child; strangers (grandchildren that a subreaper or pid 1 inherits) are reaped silently.
#pragma once

#include <functional>
#include <map>
#include <memory>

#include "io/loop.h"
#include "io/watch.h"
#include "supervise/exit_status.h"
#include "supervise/process_start.h"

namespace cutwater::supervise {

class Child;

class Children {
 public:
  explicit Children(io::Loop& loop) : loop_(loop) {}  // must outlive this

  // At SIGCHLD. Strangers wait while somebody holds.
  void reap();
  // Between asking a zygote for a worker and hearing its pid the pid must not be taken for a stranger's.
  void hold() { ++holders_; }
  void release();

  // A process that became our child without our doing (a zygote's grandchild): checks that it is ours and
  // unknown. It may have ended already.
  base::Result<StartedProcess> adopt(pid_t pid);
  bool knows(pid_t pid) const { return known_.contains(pid); }

 private:
  friend class Child;
  io::Loop& loop_;
  std::map<pid_t, Child*> known_;
  unsigned holders_ = 0;
};

// One known child process. Destroyed while it runs, it becomes a stranger.
class Child {
 public:
  using OnExit = std::function<void(const ExitStatus&)>;
  // `children` must outlive this. `on_exit` is called once, after the process was waited for; it must not
  // destroy this.
  Child(Children& children, StartedProcess process, OnExit on_exit);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  void signal(int number);  // nothing once it has ended: a pidfd never names another process
  pid_t pid() const { return process_.pid; }
  int pidfd() const { return process_.pidfd.get(); }
  bool running() const { return running_; }

 private:
  friend class Children;
  void collect();

  Children& children_;
  StartedProcess process_;
  OnExit on_exit_;
  bool running_ = true;
  io::CallbackWatcher watcher_;
};

}  // namespace cutwater::supervise
