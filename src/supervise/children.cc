#include "supervise/children.h"

#include <sys/syscall.h>
#include <sys/wait.h>

namespace cutwater::supervise {

void Children::reap() {
  while (holders_ == 0) {
    siginfo_t info{};
    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) return;
    auto found = known_.find(info.si_pid);
    if (found != known_.end()) {
      found->second->collect();
    } else {
      waitid(P_PID, static_cast<id_t>(info.si_pid), &info, WEXITED | WNOHANG);
    }
  }
}

void Children::release() {
  if (--holders_ == 0) reap();
}

base::Result<StartedProcess> Children::adopt(pid_t pid) {
  if (pid <= 1 || knows(pid)) return base::Error{"process " + std::to_string(pid) + " is not a new worker"};
  StartedProcess process{pid, base::FileDescriptor(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)))};
  if (!process.pidfd.valid()) return base::system_error("process " + std::to_string(pid));
  siginfo_t info{};
  if (waitid(P_PIDFD, static_cast<id_t>(process.pidfd.get()), &info, WEXITED | WNOHANG | WNOWAIT) != 0) {
    return base::system_error("process " + std::to_string(pid) + " is not our child");
  }
  return process;
}

Child::Child(Children& children, StartedProcess process, OnExit on_exit)
    : children_(children),
      process_(std::move(process)),
      on_exit_(std::move(on_exit)),
      watcher_(children.loop_, process_.pidfd.get(), EPOLLIN, [this](uint32_t) { collect(); }) {
  children_.known_.emplace(process_.pid, this);
}

Child::~Child() {
  if (running_) children_.known_.erase(process_.pid);
}

void Child::signal(int number) {
  if (running_) syscall(SYS_pidfd_send_signal, process_.pidfd.get(), number, nullptr, 0);
}

void Child::collect() {
  siginfo_t info{};
  const int waited = waitid(P_PIDFD, static_cast<id_t>(process_.pidfd.get()), &info, WEXITED | WNOHANG);
  if (waited == 0 && info.si_pid == 0) return;
  ExitStatus status = to_exit_status(info);
  status.unknown = waited != 0;
  watcher_.stop();
  running_ = false;
  children_.known_.erase(process_.pid);
  on_exit_(status);
}

}  // namespace cutwater::supervise
