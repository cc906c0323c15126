// How a process ended.
#pragma once

#include <signal.h>

#include <string>

namespace cutwater::supervise {

struct ExitStatus {
  int code = 0;    // of exit(); meaningless when `signal` is set
  int signal = 0;  // 0: it called exit()
  bool dumped_core = false;
  bool unknown = false;  // nobody knows: the process was never seen
  bool by_us = false;    // we have killed it, and said why

  bool clean() const { return !unknown && signal == 0 && code == 0; }
  // "was killed by SIGSEGV", "exited with status 3": to be put behind the process's name.
  std::string describe() const;
};

ExitStatus to_exit_status(const siginfo_t& info);  // as waitid() filled it

}  // namespace cutwater::supervise
