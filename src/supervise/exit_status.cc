#include "supervise/exit_status.h"

#include <cstring>

namespace cutwater::supervise {

ExitStatus to_exit_status(const siginfo_t& info) {
  ExitStatus status;
  if (info.si_code == CLD_EXITED) {
    status.code = info.si_status;
  } else {
    status.signal = info.si_status;
    status.dumped_core = info.si_code == CLD_DUMPED;
  }
  return status;
}

std::string ExitStatus::describe() const {
  if (unknown) return "never started";
  if (signal == 0) return code == 0 ? "ended by itself" : "exited with status " + std::to_string(code);
  if (by_us) return "was killed";
  const char* name = sigabbrev_np(signal);
  std::string text = "was killed by ";
  text += name != nullptr ? "SIG" + std::string(name) : "signal " + std::to_string(signal);
  if (signal == SIGKILL) text += ", maybe out of memory";
  if (dumped_core) text += ", core dumped";
  return text;
}

}  // namespace cutwater::supervise
