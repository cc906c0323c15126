// Starting a program of somebody else's: a child that changes identity, session, folder and limits before it calls
// exec. Mostly it shares its starter's memory until then, so that a start costs no more where there is much of it. A
// user can make a start of his hang (his interpreter may lie in a file system of his own): the first time his starter
// waits for it, a second at most. From then on his programs are started with memory of their own, and nobody waits.
#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "base/file_descriptor.h"
#include "supervise/identity.h"

namespace cutwater::supervise {

#ifdef __SANITIZE_THREAD__
constexpr bool kStartsShareMemory = false;  // ThreadSanitizer knows of no second process in one memory
#else
constexpr bool kStartsShareMemory = true;
#endif

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
  int error = 0;                // errno
  base::FileDescriptor report;  // valid: the child has not come as far as exec, and is waited for no longer
};

// Of a child with a `report` that has ended: whether that was its start's failure, which step and errno are put into
// `started` then. False: it was executed, or killed before.
bool read_late_failure(ProgramStarted& started);

// The program leads a session of its own, has default signals, umask 022, no core files, no capabilities unless it is
// root's, cannot gain rights by exec (no_new_privs), and is killed when this thread ends. Blocks until it runs or
// cannot, a second at most, and that once for each user. Single-threaded callers only.
ProgramStarted start_apart(const ProgramStart& program);
// As if nobody's start had hung: what did not answer may do so now.
void forget_slow_users();

}  // namespace cutwater::supervise
