// Starting a program of somebody else's: a child that changes identity, session, folder and limits before it calls
// exec. For a process that stays small, such as the spawner: what a start costs grows with the starter's memory.
#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "supervise/identity.h"

namespace cutwater::supervise {

struct ProgramStart {
  std::string executable;                // absolute, or "./NAME" in `folder`
  std::vector<std::string> arguments;    // argv, its first included
  std::vector<std::string> environment;  // "NAME=value"; nothing is inherited
  int folder = -1;                       // O_PATH; the working directory, entered with the rights of `identity`
  std::array<int, 3> standard{};         // become 0, 1 and 2, the program's only descriptors; 3 or more each
  const Identity* identity = nullptr;    // who to become; nullptr: stay who we are
  std::optional<rlim_t> most_processes;  // of its user, whoever started them, when it wants another: RLIMIT_NPROC
};

enum class StartStep { kProcess, kDescriptors, kLimits, kIdentity, kFolder, kExec };

struct ProgramStarted {
  pid_t pid = 0;  // a child nobody has waited for; 0: not started, `failed` with `error` says why
  StartStep failed = StartStep::kProcess;
  int error = 0;  // errno
};

// The program leads a session of its own, has default signals, umask 022, no core files, no capabilities unless it is
// root's, cannot gain rights by exec (no_new_privs), and is killed when this thread ends. Blocks until it runs or
// cannot, a second at most. Single-threaded callers only.
ProgramStarted start_apart(const ProgramStart& program);

}  // namespace cutwater::supervise
