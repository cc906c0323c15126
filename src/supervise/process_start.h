// Starting processes from the master: exec of another program, or a fork that plays another role of this one.
// Both ways the child gets default signals but for those of the master, which it ignores, its own process group,
// SIGTERM when the master's thread ends, and no descriptor but those named.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/file_descriptor.h"
#include "base/result.h"
#include "supervise/identity.h"

namespace cutwater::supervise {

// A child of this process that nobody has waited for yet; so its pid is its own.
struct StartedProcess {
  pid_t pid = 0;
  base::FileDescriptor pidfd;
};

struct Program {
  std::vector<std::string> arguments;    // the first is the path of the executable
  std::vector<std::string> environment;  // "NAME=value", nothing else is inherited
  std::string folder;                    // working directory
  std::optional<Identity> identity;      // who to become; nullopt: stay who we are
  std::vector<std::string> needs;        // folders that identity must be able to read
  std::vector<int> descriptors;          // become 3, 4, ... in the child; 0 is /dev/null, 1 and 2 are ours
  int error_stream = -1;                 // becomes 2 instead
};

// The error says which step failed and, where rights were missing, for whom.
base::Result<StartedProcess> start_program(const Program& program);

// Runs `role` in a forked child and exits with what it returns. Of the open descriptors the child keeps 0, 1,
// 2 and `keep`. Objects of the parent exist in the child too, but must not be used unless all their descriptors
// are kept: the others are closed.
base::Result<StartedProcess> fork_role(std::vector<int> keep, const std::function<int()>& role);

}  // namespace cutwater::supervise
