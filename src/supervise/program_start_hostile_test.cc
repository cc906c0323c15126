// Starting programs for users who want to hold their starter up, or to look into it.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <sstream>

#include "base/clock.h"
#include "supervise/script_test_support.h"

namespace cutwater::supervise {
namespace {

using std::chrono::milliseconds;

class HostileStartTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!running_as_root()) GTEST_SKIP() << "needs root";
    forget_slow_users();
  }
  void TearDown() override { forget_slow_users(); }
  ProgramStart program(const Identity& user) const {
    ProgramStart program;
    program.executable = folder_.path() + "/program";
    program.arguments = {"program"};
    program.folder = top_.get();
    program.standard = {null_.get(), output_.writing.get(), null_.get()};
    program.identity = &user;
    return program;
  }

  const Identity games_ = *find_identity("games");
  const Identity printer_ = *find_identity("lp");
  const base::FileDescriptor null_{open("/dev/null", O_RDWR | O_CLOEXEC)};
  const base::FileDescriptor top_{open("/", O_PATH | O_CLOEXEC)};
  ScriptFolderOnDisk folder_;
  Pipe output_;
};

TEST_F(HostileStartTest, AHangingStartIsWaitedForOnce) {
  if (!kStartsShareMemory) GTEST_SKIP() << "starts share no memory in this build";
  folder_.shell("program", "echo runs");
  ProgramStarted slow;
  {
    const Lease lease(folder_.path() + "/program");
    const base::Instant begun = base::monotonic_now();
    const ProgramStarted first = start_apart(program(games_));
    EXPECT_EQ(first.pid, 0);
    EXPECT_EQ(first.failed, StartStep::kExec);
    EXPECT_EQ(first.error, ETIMEDOUT);
    const base::Instant again = base::monotonic_now();
    EXPECT_LT(again - begun, milliseconds(1800));
    slow = start_apart(program(games_));
    EXPECT_LT(base::monotonic_now() - again, milliseconds(500));
    ASSERT_NE(slow.pid, 0);
    EXPECT_TRUE(slow.report.valid());
    ProgramStart other = program(printer_);
    other.executable = "/bin/true";
    const ProgramStarted quick = start_apart(other);
    ASSERT_NE(quick.pid, 0);
    EXPECT_FALSE(quick.report.valid());
    EXPECT_EQ(waitpid(quick.pid, nullptr, 0), quick.pid);
  }
  EXPECT_EQ(output_.read_all(), "runs\n");
  int status = -1;
  EXPECT_EQ(waitpid(slow.pid, &status, 0), slow.pid);
  EXPECT_EQ(status, 0);
  EXPECT_FALSE(read_late_failure(slow));
}

TEST_F(HostileStartTest, WhatFailsLateSaysWhy) {
  folder_.write("program", "just text\n");
  ProgramStarted started;
  {
    const Lease lease(folder_.path() + "/program");
    started = start_apart(program(games_));
    if (started.pid == 0) started = start_apart(program(games_));
    ASSERT_NE(started.pid, 0);
    EXPECT_FALSE(read_late_failure(started)) << "it has not ended";
  }
  int status = 0;
  EXPECT_EQ(waitpid(started.pid, &status, 0), started.pid);
  EXPECT_EQ(WEXITSTATUS(status), 127);
  ASSERT_TRUE(read_late_failure(started));
  EXPECT_EQ(started.failed, StartStep::kExec);
  EXPECT_EQ(started.error, ENOEXEC);
}

// A system call of the child, and whose the child is behind it.
struct Call {
  uint64_t number = 0;
  uint64_t first = 0;  // argument
  uint64_t second = 0;
  int64_t result = 0;
  std::string users;  // real, effective, saved, of files
  std::string groups;
};

std::string status_line(pid_t pid, const std::string& name) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(name)) return line.substr(name.size());
  }
  return "";
}

std::array<uid_t, 4> numbers(const std::string& text) {
  std::istringstream rest(text);
  std::array<uid_t, 4> all{};
  for (uid_t& each : all) rest >> each;
  return all;
}

// Those of a child that is started, up to its exec, as a tracer sees them.
std::vector<Call> calls_of_start(const ProgramStart& program) {
  const pid_t starter = fork();
  if (starter == 0) {
    ptrace(PTRACE_TRACEME, 0, 0, 0);
    raise(SIGSTOP);
    const ProgramStarted started = start_apart(program);
    if (started.pid != 0) waitpid(started.pid, nullptr, 0);
    _exit(started.pid == 0 ? 1 : 0);
  }
  std::vector<Call> calls;
  Call current;
  bool is_over = false;
  int status = 0;
  waitpid(starter, &status, 0);
  ptrace(PTRACE_SETOPTIONS, starter, 0,
         PTRACE_O_TRACEFORK | PTRACE_O_TRACECLONE | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL);
  ptrace(PTRACE_CONT, starter, 0, 0);
  for (pid_t pid; (pid = waitpid(-1, &status, __WALL)) > 0;) {
    if (!WIFSTOPPED(status)) {
      if (pid == starter) break;
      continue;
    }
    if (pid != starter && status >> 16 == PTRACE_EVENT_EXEC) is_over = true;
    if (pid != starter && !is_over && WSTOPSIG(status) == (SIGTRAP | 0x80)) {
      __ptrace_syscall_info info{};
      ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info);
      if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
        current = {info.entry.nr, info.entry.args[0], info.entry.args[1], 0, "", ""};
      } else if (info.op == PTRACE_SYSCALL_INFO_EXIT) {
        current.result = info.exit.rval;
        current.users = status_line(pid, "Uid:");
        current.groups = status_line(pid, "Gid:");
        calls.push_back(current);
      }
    }
    ptrace(pid == starter || is_over ? PTRACE_CONT : PTRACE_SYSCALL, pid, 0, 0);
  }
  return calls;
}

// Whose real or saved number is a user's hears that user's signals and can be traced by him, if it is dumpable; and
// that it becomes, as fs.suid_dumpable says, with each change of its effective numbers.
TEST_F(HostileStartTest, TheChildIsTheUsersOnlyWhenNobodyCanLookIntoIt) {
  ProgramStart started = program(printer_);
  started.executable = "/bin/true";
  const std::vector<Call> calls = calls_of_start(started);
  const auto is_his = [&](const Call& call) {
    const auto [real, effective, saved, files] = numbers(call.users);
    return real == printer_.user || saved == printer_.user;
  };
  const auto his = std::find_if(calls.begin(), calls.end(), is_his);
  ASSERT_NE(his, calls.end());
  const auto closed = std::find_if(calls.begin(), his, [](const Call& call) {
    return call.number == SYS_prctl && call.first == PR_SET_DUMPABLE && call.second == 0 && call.result == 0;
  });
  ASSERT_NE(closed, his) << "not undumpable before";
  for (auto each = closed; each != calls.end(); ++each) {
    EXPECT_EQ(numbers(each->users)[1], printer_.user) << "call " << each->number;
    EXPECT_EQ(numbers(each->users)[3], printer_.user) << "call " << each->number;
    EXPECT_EQ(each->groups, closed->groups) << "call " << each->number;
    // What may take long, and signals, which would be handled with the memory of another.
    EXPECT_TRUE(each < his || each->number != SYS_fchdir);
  }
  const auto open_signals =
      std::find_if(calls.begin(), calls.end(), [](const Call& call) { return call.number == SYS_rt_sigprocmask; });
  EXPECT_GT(open_signals, closed);
}

}  // namespace
}  // namespace cutwater::supervise
