// Starting a program of somebody else's from a process that stays small: a child that shares this one's memory until it
// calls exec, as posix_spawn does, but changes identity, session, folder and limits in between. Nothing is copied, so a
// start costs the same however much memory is in use.
#pragma once

#include <sys/types.h>

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "supervise/identity.h"

namespace cutwater::supervise {

struct ProgramStart {
  std::string executable;                // absolute
  std::vector<std::string> arguments;    // argv, its first included
  std::vector<std::string> environment;  // "NAME=value"; nothing is inherited
  int folder = -1;                       // O_PATH; the working directory
  std::array<int, 3> standard{};         // become 0, 1 and 2, the program's only descriptors; 3 or more each
  const Identity* identity = nullptr;    // who to become; nullptr: stay who we are
};

enum class StartStep { kProcess, kDescriptors, kLimits, kIdentity, kFolder, kExec };

struct ProgramStarted {
  pid_t pid = 0;  // a child nobody has waited for; 0: not started, `failed` with `error` says why
  StartStep failed = StartStep::kProcess;
  int error = 0;  // errno
};

// The program leads a session of its own, has default signals, umask 022, no core files, cannot gain rights by exec
// (no_new_privs), and is killed when this thread ends. Single-threaded callers only.
ProgramStarted start_apart(const ProgramStart& program);

}  // namespace cutwater::supervise
