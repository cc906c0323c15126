#include "supervise/program_start.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <climits>

namespace cutwater::supervise {

namespace {

constexpr size_t kStackBytes = 64 * 1024;
constexpr mode_t kUmask = 022;

// Shared with the child, which runs in this memory while this process is held.
struct Shared {
  const ProgramStart& program;
  char* const* arguments;
  char* const* environment;
  pid_t parent;
  volatile StartStep step;
  volatile int error;
};

// What is said of a failure lies where the parent reads it.
[[noreturn]] void fail(Shared& shared, StartStep step, int error) {
  shared.step = step;
  shared.error = error;
  _exit(127);
}

bool take_standard(const std::array<int, 3>& standard) {
  for (int place = 0; place < 3; ++place) {
    if (dup2(standard[static_cast<size_t>(place)], place) < 0) return false;
  }
  return true;
}

// By bare system calls: the C library's would tell threads that do not exist here, in memory that is the parent's.
bool take_identity(const Identity& identity) {
  if (syscall(SYS_setgroups, identity.groups.size(), identity.groups.data()) != 0) return false;
  if (syscall(SYS_setresgid, identity.group, identity.group, identity.group) != 0) return false;
  if (syscall(SYS_setresuid, identity.user, identity.user, identity.user) != 0) return false;
  if (identity.user == 0) return true;
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {};
  if (syscall(SYS_capset, &header, none) != 0) return false;
  uid_t real, effective, saved;
  if (getresuid(&real, &effective, &saved) != 0) return false;
  errno = EPERM;
  if (real != identity.user || effective != identity.user || saved != identity.user) return false;
  const bool regained = syscall(SYS_setresuid, 0, 0, 0) == 0;
  errno = EPERM;
  return !regained;
}

void take_default_signals() {
  struct sigaction action {};
  for (int signal = 1; signal < NSIG; ++signal) {
    struct sigaction now {};
    if (sigaction(signal, nullptr, &now) != 0 || now.sa_handler == SIG_DFL) continue;
    action.sa_handler = SIG_DFL;
    sigaction(signal, &action, nullptr);
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

// Makes system calls alone: whatever else it changed would be changed in the parent.
int run_child(void* pointer) {
  Shared& shared = *static_cast<Shared*>(pointer);
  const ProgramStart& program = shared.program;
  setsid();
  umask(kUmask);
  if (!take_standard(program.standard)) fail(shared, StartStep::kDescriptors, errno);
  const rlimit no_core{0, 0};
  if (setrlimit(RLIMIT_CORE, &no_core) != 0) fail(shared, StartStep::kLimits, errno);
  if (program.identity && !take_identity(*program.identity)) fail(shared, StartStep::kIdentity, errno);
  if (fchdir(program.folder) != 0) fail(shared, StartStep::kFolder, errno);
  if (close_range(3, UINT_MAX, 0) != 0 && errno != ENOSYS) fail(shared, StartStep::kDescriptors, errno);
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) fail(shared, StartStep::kLimits, errno);
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // behind the change of user, which clears it
  if (getppid() != shared.parent) _exit(127);
  take_default_signals();
  execve(program.executable.c_str(), shared.arguments, shared.environment);
  fail(shared, StartStep::kExec, errno);
}

std::vector<char*> to_pointers(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

// Mapped once: the child of one start is gone, or has a memory of its own, before the next one.
void* stack_top() {
  static void* const stack =
      mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  return stack == MAP_FAILED ? nullptr : static_cast<char*>(stack) + kStackBytes;
}

}  // namespace

ProgramStarted start_apart(const ProgramStart& program) {
  const std::vector<char*> arguments = to_pointers(program.arguments);
  const std::vector<char*> environment = to_pointers(program.environment);
  Shared shared{program, arguments.data(), environment.data(), getpid(), StartStep::kProcess, 0};
  ProgramStarted started;
  void* const stack = stack_top();
  if (!stack) {
    started.error = ENOMEM;
    return started;
  }
  // No signal may run a handler of ours in the child.
  sigset_t all, before;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &before);
  const pid_t pid = clone(run_child, stack, CLONE_VM | CLONE_VFORK | SIGCHLD, &shared);
  const int error = errno;
  sigprocmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) {
    started.error = error;
    return started;
  }
  if (shared.error == 0) {
    started.pid = pid;
    return started;
  }
  waitpid(pid, nullptr, 0);
  started.failed = shared.step;
  started.error = shared.error;
  return started;
}

}  // namespace cutwater::supervise
