#include "supervise/process_start.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <climits>

#include "io/signals.h"
#include "supervise/descriptor_room.h"

namespace cutwater::supervise {
namespace {

enum class Step : int { kDescriptors, kIdentity, kFolder, kNeeds, kExec };

// What the child writes into the error pipe; exec closes the pipe without a word.
struct Failure {
  Step step;
  int error;
  size_t need;  // which of `needs`
};

int pidfd_open(pid_t pid) {
  return static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
}

void close_from(unsigned first) {
  close_range(first, UINT_MAX, 0);
}

base::Result<StartedProcess> watch(pid_t pid) {
  StartedProcess started{pid, base::FileDescriptor(pidfd_open(pid))};
  if (started.pidfd.valid()) return started;
  const int error = errno;
  kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
  return base::system_error("pidfd_open", error);
}

// The second line after the channel's end; must come after the last change of identity, which clears it.
void die_with_parent(pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) _exit(1);
}

// The master's signals, sent to all of its processes, must not end one that has not come to ignoring them itself.
void begin_child() {
  setpgid(0, 0);
  io::reset_signals_for_child(io::kSignalsOfTheMaster);
}

// Puts `descriptors` at 3, 4, ... and the error pipe behind them; everything else is closed.
bool arrange_descriptors(std::vector<int> descriptors, int& error_pipe) {
  int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (null < 0 || dup2(null, STDIN_FILENO) < 0) return false;
  descriptors.push_back(error_pipe);
  const int above = 3 + static_cast<int>(descriptors.size());
  for (int& descriptor : descriptors) {
    descriptor = fcntl(descriptor, F_DUPFD_CLOEXEC, above);  // out of the way of the places to be filled
    if (descriptor < 0) return false;
  }
  int place = 3;
  for (int descriptor : descriptors) {
    if (dup2(descriptor, place++) < 0) return false;
  }
  error_pipe = above - 1;
  fcntl(error_pipe, F_SETFD, FD_CLOEXEC);
  close_from(static_cast<unsigned>(above));
  return true;
}

[[noreturn]] void fail(int error_pipe, Step step, int error, size_t need = 0) {
  const Failure failure{step, error, need};
  [[maybe_unused]] ssize_t written = write(error_pipe, &failure, sizeof failure);
  _exit(127);
}

std::vector<char*> to_pointers(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

[[noreturn]] void run_child(const Program& program, int error_pipe, pid_t parent) {
  begin_child();
  if (program.error_stream >= 0 && dup2(program.error_stream, STDERR_FILENO) < 0) {
    fail(error_pipe, Step::kDescriptors, errno);
  }
  if (!arrange_descriptors(program.descriptors, error_pipe)) fail(error_pipe, Step::kDescriptors, errno);
  restore_descriptor_limit();
  if (program.identity) {
    auto changed = become(*program.identity);
    if (!changed) fail(error_pipe, Step::kIdentity, changed.error().system_errno);
  }
  die_with_parent(parent);
  if (chdir(program.folder.c_str()) != 0) fail(error_pipe, Step::kFolder, errno);
  for (size_t i = 0; i < program.needs.size(); ++i) {
    if (access(program.needs[i].c_str(), R_OK | X_OK) != 0) fail(error_pipe, Step::kNeeds, errno, i);
  }
  std::vector<char*> arguments = to_pointers(program.arguments);
  std::vector<char*> environment = to_pointers(program.environment);
  execve(arguments[0], arguments.data(), environment.data());
  fail(error_pipe, Step::kExec, errno);
}

base::Error explain(const Program& program, const Failure& failure) {
  const std::string who = "user " + (program.identity ? program.identity->name : current_identity().name);
  switch (failure.step) {
    case Step::kDescriptors:
      return base::system_error("cannot pass descriptors", failure.error);
    case Step::kIdentity:
      return base::system_error("cannot become " + who, failure.error);
    case Step::kFolder:
      return base::system_error(who + " cannot enter " + program.folder, failure.error);
    case Step::kNeeds:
      return base::system_error(who + " cannot read " + program.needs[failure.need], failure.error);
    case Step::kExec:
      break;
  }
  return base::system_error(who + " cannot execute " + program.arguments[0], failure.error);
}

}  // namespace

base::Result<StartedProcess> start_program(const Program& program) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return base::system_error("pipe");
  base::FileDescriptor reading(ends[0]);
  base::FileDescriptor writing(ends[1]);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) return base::system_error("fork");
  if (pid == 0) run_child(program, writing.get(), parent);
  writing.reset();
  Failure failure;
  ssize_t size;
  do {
    size = read(reading.get(), &failure, sizeof failure);
  } while (size < 0 && errno == EINTR);
  if (size != sizeof failure) return watch(pid);
  waitpid(pid, nullptr, 0);
  failure.need = std::min(failure.need, program.needs.empty() ? 0 : program.needs.size() - 1);
  return explain(program, failure);
}

base::Result<StartedProcess> fork_role(std::vector<int> keep, const std::function<int()>& role) {
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) return base::system_error("fork");
  if (pid > 0) return watch(pid);
  begin_child();
  std::sort(keep.begin(), keep.end());
  unsigned next = 3;
  for (int descriptor : keep) {
    const auto kept = static_cast<unsigned>(descriptor);
    if (descriptor < 3 || kept < next) continue;
    if (kept > next) close_range(next, kept - 1, 0);
    next = kept + 1;
  }
  close_from(next);
  restore_descriptor_limit();
  die_with_parent(parent);
  _exit(role());
}

}  // namespace cutwater::supervise
