// Starting programs: what a start costs whoever starts them, and leaves there.
#include "supervise/program_start.h"

#include <signal.h>
#include <sys/resource.h>

#include <cerrno>

#include "supervise/script_test_support.h"

namespace cutwater::supervise {
namespace {

class ProgramStartTest : public testing::Test {
 protected:
  void SetUp() override { forget_slow_users(); }
  ProgramStarted start(const std::string& text) {
    ProgramStart program;
    program.executable = "/bin/sh";
    program.arguments = {"sh", "-c", text};
    program.environment = {"PATH=/usr/bin:/bin"};
    program.folder = top_.get();
    program.standard = {null_.get(), output_.writing.get(), null_.get()};
    return start_apart(program);
  }
  void wait(pid_t pid) { EXPECT_EQ(waitpid(pid, nullptr, 0), pid); }

  const base::FileDescriptor null_{open("/dev/null", O_RDWR | O_CLOEXEC)};
  const base::FileDescriptor top_{open("/", O_PATH | O_CLOEXEC)};
  Pipe output_;
};

// A start of a copied process makes each page that is written to afterwards be copied.
TEST_F(ProgramStartTest, CostsNoMoreInAProcessWithMuchMemory) {
  if (!kStartsShareMemory) GTEST_SKIP() << "starts share no memory in this build";
  constexpr size_t kPages = 16 * 1024;
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  std::vector<char> memory(kPages * page, 1);
  const ProgramStarted started = start("sleep 100");
  ASSERT_NE(started.pid, 0);
  rusage before{}, after{};
  getrusage(RUSAGE_SELF, &before);
  for (size_t each = 0; each < kPages; ++each) memory[each * page] = 2;
  getrusage(RUSAGE_SELF, &after);
  EXPECT_LT(after.ru_minflt - before.ru_minflt, static_cast<long>(kPages / 16));
  kill(started.pid, SIGKILL);
  wait(started.pid);
}

TEST_F(ProgramStartTest, LeavesTheStarterAsItIs) {
  struct sigaction before {};
  sigaction(SIGPIPE, nullptr, &before);
  signal(SIGPIPE, SIG_IGN);
  const mode_t mask = umask(077);
  sigset_t blocked, found;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR2);
  sigprocmask(SIG_SETMASK, &blocked, &found);
  const ProgramStarted started = start("grep -E 'Sig(Blk|Ign)' /proc/self/status; umask; pwd");
  ASSERT_NE(started.pid, 0);
  EXPECT_EQ(output_.read_all(), "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n0022\n/\n");
  wait(started.pid);
  sigset_t now;
  sigprocmask(SIG_SETMASK, &found, &now);
  EXPECT_EQ(sigismember(&now, SIGUSR2), 1);
  EXPECT_EQ(sigismember(&now, SIGTERM), 0);
  EXPECT_EQ(umask(mask), 077U);
  struct sigaction kept {};
  sigaction(SIGPIPE, &before, &kept);
  EXPECT_EQ(kept.sa_handler, SIG_IGN);
}

TEST_F(ProgramStartTest, SaysWhatFailed) {
  ProgramStart program;
  program.executable = "/no/such/program";
  program.arguments = {"a"};
  program.folder = top_.get();
  program.standard = {null_.get(), null_.get(), null_.get()};
  for (int times = 0; times < 100; ++times) {
    const ProgramStarted started = start_apart(program);
    ASSERT_EQ(started.pid, 0);
    EXPECT_EQ(started.failed, StartStep::kExec);
    EXPECT_EQ(started.error, ENOENT);
  }
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

}  // namespace
}  // namespace cutwater::supervise
