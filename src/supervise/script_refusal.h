// Why a script could not be started, for the log: what failed and what to do about it.
#pragma once

#include <sys/resource.h>

#include <optional>
#include <string>

#include "base/file_descriptor.h"
#include "supervise/program_start.h"

namespace cutwater::supervise {

// What was to be started.
struct ScriptAttempt {
  std::string file;             // absolute
  base::FileDescriptor script;  // O_PATH, the same
  std::string interpreter;      // "": the script itself is executed
  std::string user;             // its name
  std::optional<rlim_t> most_processes;
};

struct ScriptRefusal {
  std::string reason;  // as control::ScriptRefused has it
  std::string text;
  std::string fix;
};

ScriptRefusal explain_refusal(const ScriptAttempt& attempt, StartStep step, int error);

}  // namespace cutwater::supervise
