// WarmPlan: what is asked of a warm Python in place of a start.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>

#include "control/warm_messages.h"
#include "supervise/program_start.h"
#include "supervise/warm_python.h"

namespace cutwater::supervise {

struct WarmPlan {
  WarmCommand command;
  control::RunScript message;
  std::array<int, 5> descriptors{};  // lent: as control::RunScript has them
  std::string file;                  // for the log
};

// What a script is, beside how it would be started.
struct WarmCandidate {
  const ProgramStart& program;
  bool has_interpreter = false;                           // `program` executes that, else the script itself
  int script = -1;                                        // O_PATH
  std::string file;                                       // absolute
  const std::map<std::string, std::string>& environment;  // the configured part
  std::string_view path;                                  // PATH
};

// nullopt: it is no script for Python, or for one that cannot be kept warm.
std::optional<WarmPlan> plan_warm(const WarmCandidate& candidate);

}  // namespace cutwater::supervise
