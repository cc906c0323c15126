#include "supervise/program_start.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <set>
#include <utility>

#include "base/clock.h"
#include "base/file_descriptor.h"

namespace cutwater::supervise {

namespace {

constexpr mode_t kUmask = 022;
constexpr base::Duration kPatience = std::chrono::seconds(1);
constexpr base::Duration kShortPatience = std::chrono::milliseconds(20);  // with memory of its own: most are through
constexpr int kLookMilliseconds = 5;
constexpr size_t kStackSize = 64 * 1024;
constexpr size_t kGuardSize = 64 * 1024;  // whole pages, however large they are

// What the child writes to the pipe that exec closes.
struct Failure {
  StartStep step;
  int error;
};

// The child runs in the memory of its parent, which goes on meanwhile. So what runs there makes system calls and writes
// to its own stack, and nothing else: the one thing of the parent's that it changes is errno, which the parent uses
// only when the child is gone. (AddressSanitizer knows of no second stack: functions that do not return are not for
// it.)
struct Child {
  const ProgramStart& program;
  char* const* arguments;
  char* const* environment;
  pid_t parent;
  int status;  // the pipe

  [[noreturn, gnu::no_sanitize_address]] void fail(StartStep step, int error) const {
    const Failure failure{step, error};
    _exit(write(status, &failure, sizeof failure) == sizeof failure ? 127 : 126);
  }
};

bool take_standard(const std::array<int, 3>& standard) {
  for (int place = 0; place < 3; ++place) {
    if (dup2(standard[static_cast<size_t>(place)], place) < 0) return false;
  }
  return true;
}

// From now on there are 0 to 2, these two until exec, and none that a user could take.
bool close_others(int one, int other) {
  const auto [low, high] = std::minmax({one, other});
  const auto close_between = [](int first, int last) {
    if (first > last) return true;
    return close_range(static_cast<unsigned>(first), static_cast<unsigned>(last), 0) == 0 || errno == ENOSYS;
  };
  if (fcntl(one, F_SETFD, FD_CLOEXEC) != 0 || fcntl(other, F_SETFD, FD_CLOEXEC) != 0) return false;
  return close_between(3, low - 1) && close_between(low + 1, high - 1) && close_between(high + 1, INT_MAX);
}

bool take_limits(const ProgramStart& program) {
  const rlimit no_core{0, 0};
  if (setrlimit(RLIMIT_CORE, &no_core) != 0) return false;
  if (!program.most_processes) return true;
  rlimit processes;
  if (getrlimit(RLIMIT_NPROC, &processes) != 0) return false;
  processes.rlim_max = std::min(processes.rlim_max, *program.most_processes);
  processes.rlim_cur = std::min(processes.rlim_cur, processes.rlim_max);
  return setrlimit(RLIMIT_NPROC, &processes) == 0;
}

// Also those that a service of an ordinary user may have been given, which exec would pass on.
bool drop_capabilities() {
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {};
  return syscall(SYS_capset, &header, none) == 0;
}

// The change of user has two halves, since until exec the memory is the spawner's and that user must not look into it,
// nor end with the child whatever shares its memory. By what credentials(7) says this holds whenever he acts:
// - who may send a process signals or trace it goes by its real and saved user: in the first half these are root still;
// - the change of the effective user sets `dumpable` to what fs.suid_dumpable says; so it is taken back behind it;
// - the second half changes no effective user or group and adds no capability: it leaves `dumpable` as it is.
// So there is no moment at which the child is both his and dumpable, wherever he or the kernel holds it up.
// By bare system calls: the C library would tell the parent's threads.
bool take_effective_identity(const Identity* identity) {
  if (!identity) return geteuid() == 0 || drop_capabilities();
  constexpr auto kSame = static_cast<uid_t>(-1);
  if (syscall(SYS_setgroups, identity->groups.size(), identity->groups.data()) != 0) return false;
  if (syscall(SYS_setresgid, identity->group, identity->group, identity->group) != 0) return false;
  if (syscall(SYS_setresuid, kSame, identity->user, kSame) != 0) return false;
  return identity->user == 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0;
}

bool take_whole_identity(const Identity* identity) {
  if (!identity) return true;
  if (syscall(SYS_setresuid, identity->user, identity->user, identity->user) != 0) return false;
  if (identity->user == 0) return true;
  if (!drop_capabilities()) return false;
  uid_t real, effective, saved;
  if (getresuid(&real, &effective, &saved) != 0) return false;
  errno = EPERM;
  if (real != identity->user || effective != identity->user || saved != identity->user) return false;
  const bool regained = syscall(SYS_setresuid, 0, 0, 0) == 0;
  errno = EPERM;
  return !regained;
}

// No handler of the parent's may run here.
void take_default_signals() {
  struct sigaction action {};
  for (int signal = 1; signal < NSIG; ++signal) {
    struct sigaction now {};
    if (sigaction(signal, nullptr, &now) != 0 || now.sa_handler == SIG_DFL) continue;
    action.sa_handler = SIG_DFL;
    sigaction(signal, &action, nullptr);
  }
}

[[gnu::no_sanitize_address]] int run(void* argument) {
  const Child& child = *static_cast<const Child*>(argument);
  const ProgramStart& program = child.program;
  setsid();
  umask(kUmask);
  take_default_signals();
  if (!take_standard(program.standard)) child.fail(StartStep::kDescriptors, errno);
  if (!close_others(program.folder, child.status)) child.fail(StartStep::kDescriptors, errno);
  if (!take_limits(program) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) child.fail(StartStep::kLimits, errno);
  if (!take_effective_identity(program.identity)) child.fail(StartStep::kIdentity, errno);
  if (fchdir(program.folder) != 0) child.fail(StartStep::kFolder, errno);
  if (!take_whole_identity(program.identity)) child.fail(StartStep::kIdentity, errno);
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // behind the change of user, which clears it
  if (getppid() != child.parent) _exit(127);
  // Blocked until here, where nothing is dumpable: kernels before 5.17 end with a process that dumps core all that
  // share its memory.
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  execve(program.executable.c_str(), child.arguments, child.environment);
  child.fail(StartStep::kExec, errno);
}

std::vector<char*> to_pointers(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

bool is_stopped(pid_t pid) {
  siginfo_t info{};
  return waitid(P_PID, static_cast<id_t>(pid), &info, WSTOPPED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid &&
         info.si_code == CLD_STOPPED;
}

enum class Progress { kDone, kStopped, kHangs };

// Until the child got as far as exec, or its end. Between its change of user and exec that user may send it signals,
// and stop it: that must hold nobody else up.
Progress watch_start(pid_t pid, int status, base::Duration patience) {
  const base::Instant until = base::monotonic_now() + patience;
  pollfd ready{status, POLLIN, 0};
  while (poll(&ready, 1, kLookMilliseconds) <= 0) {
    if (is_stopped(pid)) return Progress::kStopped;
    if (base::monotonic_now() >= until) return Progress::kHangs;
  }
  return Progress::kDone;
}

ProgramStarted failed(StartStep step, int error) {
  return {0, step, error, {}};
}

// Where children run until exec, one at a time. One that was given up keeps its own for good: nobody knows when it
// ends.
class ChildStack {
 public:
  // nullptr: no memory for it.
  char* top() {
    if (!base_) {
      void* const place =
          mmap(nullptr, kGuardSize + kStackSize, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
      if (place == MAP_FAILED) return nullptr;
      char* const usable = static_cast<char*>(place) + kGuardSize;
      if (mprotect(usable, kStackSize, PROT_READ | PROT_WRITE) != 0) {
        munmap(place, kGuardSize + kStackSize);
        return nullptr;
      }
      base_ = usable;
    }
    return base_ + kStackSize;
  }
  void abandon() { base_ = nullptr; }

 private:
  char* base_ = nullptr;
};

// Of whom a start has hung.
std::set<uid_t>& slow_users() {
  static std::set<uid_t> users;
  return users;
}

// Ends a child that did not become its program. It runs as a user who may stop it at any moment, and hang it in the
// kernel, in a file system of his own: so it is killed, and waited for no longer than that takes.
void end_child(pid_t pid, int reading, ChildStack& stack) {
  constexpr int kMilliseconds = 100;
  kill(pid, SIGKILL);
  // Its end of the pipe closes once it does not share our memory any more.
  pollfd entry{reading, 0, 0};
  if (poll(&entry, 1, kMilliseconds) > 0 && (entry.revents & POLLHUP) != 0) {
    waitpid(pid, nullptr, 0);
    return;
  }
  stack.abandon();
  waitpid(pid, nullptr, WNOHANG);  // else by whoever waits for all
}

}  // namespace

void forget_slow_users() {
  slow_users().clear();
}

bool read_late_failure(ProgramStarted& started) {
  Failure failure{};
  if (read(started.report.get(), &failure, sizeof failure) != sizeof failure) return false;
  started.failed = failure.step;
  started.error = failure.error;
  return true;
}

// The child shares this process's memory, as one of vfork does, since copying the tables of that (and then page after
// page) is most of what a fork costs. But it does not hold this process up, as vfork would: whoever may send it signals
// could stop it. That sharing is why it cannot be left alone when it hangs: it reads what it is to start from here, and
// writes errno here. One that has memory of its own can.
ProgramStarted start_apart(const ProgramStart& program) {
  static ChildStack stack;
  const std::vector<char*> arguments = to_pointers(program.arguments);
  const std::vector<char*> environment = to_pointers(program.environment);
  int ends[2];
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return failed(StartStep::kProcess, errno);
  base::FileDescriptor reading(ends[0]);
  base::FileDescriptor writing(ends[1]);
  char* const top = stack.top();
  if (!top) return failed(StartStep::kProcess, ENOMEM);
  Child child{program, arguments.data(), environment.data(), getpid(), writing.get()};
  const uid_t user = program.identity ? program.identity->user : geteuid();
  const bool is_slow = slow_users().contains(user);
  const bool shares = kStartsShareMemory && !is_slow;
  // No signal runs a handler in the child, or interrupts what waits for it here.
  sigset_t all, before;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &before);
  const pid_t pid = clone(run, top, shares ? CLONE_VM | SIGCHLD : SIGCHLD, &child);
  const int error = errno;
  Progress progress = Progress::kDone;
  if (pid > 0) {
    writing.reset();
    progress = watch_start(pid, reading.get(), is_slow ? kShortPatience : kPatience);
  }
  sigprocmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) return failed(StartStep::kProcess, error);
  ProgramStarted started;
  started.pid = pid;
  if (progress != Progress::kDone && !shares) {
    started.report = std::move(reading);
    return started;
  }
  if (progress != Progress::kDone) {
    slow_users().insert(user);
    end_child(pid, reading.get(), stack);
  }
  // A child that ended early may have left the memory as dumpable as fs.suid_dumpable says.
  if (shares && program.identity) prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  if (progress != Progress::kDone) return failed(StartStep::kExec, ETIMEDOUT);
  Failure failure{};
  if (read(reading.get(), &failure, sizeof failure) != sizeof failure) return started;
  end_child(pid, reading.get(), stack);
  return failed(failure.step, failure.error);
}

}  // namespace cutwater::supervise
