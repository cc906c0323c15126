#include "supervise/program_groups.h"

#include <gtest/gtest.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "io/signals.h"
#include "supervise/script_test_support.h"

namespace cutwater::supervise {
namespace {

class ProgramGroupsTest : public testing::Test {
 protected:
  void SetUp() override {
    auto signals = io::SignalWatcher::create(loop_, {SIGCHLD}, [this](int) {
      groups_.reap();
      if (done_ && done_()) loop_.stop();
    });
    ASSERT_TRUE(signals.ok());
    signals_ = std::move(*signals);
  }
  void TearDown() override {
    signals_.reset();
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_UNBLOCK, &set, nullptr);
    prctl(PR_SET_CHILD_SUBREAPER, 0);
  }
  // A shell whose output is read to its first line end: it has got that far.
  pid_t start(const std::string& text) {
    const base::FileDescriptor input(open("/dev/null", O_RDWR | O_CLOEXEC));
    const base::FileDescriptor folder(open("/", O_PATH | O_CLOEXEC));
    Pipe output;
    ProgramStart program;
    program.executable = "/bin/sh";
    program.arguments = {"sh", "-c", text};
    program.environment = {"PATH=/usr/bin:/bin"};
    program.folder = folder.get();
    program.standard = {input.get(), output.writing.get(), input.get()};
    const ProgramStarted started = start_apart(program);
    EXPECT_NE(started.pid, 0);
    groups_.add(started.pid);
    said_.clear();
    for (char c; read(output.reading.get(), &c, 1) == 1 && c != '\n';) said_ += c;
    return started.pid;
  }
  void until(std::function<bool()> done) {
    done_ = std::move(done);
    io::Timer give_up(loop_.timers(), [this] { loop_.stop(); });
    give_up.set(base::monotonic_now() + std::chrono::seconds(10));
    if (!done_()) loop_.run();
    EXPECT_TRUE(done_());
  }
  void until_empty() {
    until([this] { return groups_.empty(); });
  }
  bool exists(const std::string& pid) { return kill(static_cast<pid_t>(std::stoi(pid)), 0) == 0; }

  io::Loop loop_;
  std::map<pid_t, ExitStatus> ended_;
  ProgramGroups groups_{loop_, [this](pid_t pid, const ExitStatus& status) { ended_[pid] = status; }};
  std::unique_ptr<io::SignalWatcher> signals_;
  std::function<bool()> done_;
  std::string said_;
};

TEST_F(ProgramGroupsTest, SaysHowProgramsEnd) {
  const pid_t one = start("echo; exit 3");
  const pid_t other = start("echo; kill -ABRT $$");
  until_empty();
  EXPECT_EQ(ended_.at(one).code, 3);
  EXPECT_EQ(ended_.at(other).signal, SIGABRT);
}

TEST_F(ProgramGroupsTest, EndsWhatAProgramLeavesBehind) {
  start("sleep 1000 & echo $!; exit 0");
  const std::string child = said_;
  until_empty();
  EXPECT_FALSE(exists(child));
}

// Away from parent, group and session, as daemons go.
TEST_F(ProgramGroupsTest, EndsWhatHasLeftItsSession) {
  const pid_t leader = start("(setsid sh -c 'echo $$; exec sleep 1000' &) ; exec sleep 1000");
  const std::string daemon = said_;
  EXPECT_TRUE(exists(daemon));
  groups_.end(leader);
  until_empty();
  EXPECT_FALSE(exists(daemon));
}

TEST_F(ProgramGroupsTest, LeavesTheChildrenOfOthersAlone) {
  const pid_t lasting = start("(sleep 1000 & echo $!) ; sleep 1000");  // an orphan of its session
  const std::string child = said_;
  const pid_t brief = start("echo");
  until([&] { return ended_.contains(brief); });
  EXPECT_TRUE(exists(child));
  groups_.end(lasting);
  until_empty();
  EXPECT_FALSE(exists(child));
  EXPECT_EQ(ended_.at(lasting).signal, SIGTERM);
}

TEST_F(ProgramGroupsTest, KillsWhatDoesNotHear) {
  const pid_t deaf = start("trap '' TERM; (trap '' TERM; sleep 1000; sleep 1000) & echo $!; while :; do sleep 1; done");
  const std::string child = said_;
  const base::Instant begun = base::monotonic_now();
  groups_.end(deaf, std::chrono::milliseconds(200));
  until_empty();
  EXPECT_EQ(ended_.at(deaf).signal, SIGKILL);
  EXPECT_FALSE(exists(child));
  EXPECT_GE(base::monotonic_now() - begun, std::chrono::milliseconds(200));
}

TEST_F(ProgramGroupsTest, WakesWhatIsStopped) {
  const pid_t stopped = start("echo; kill -STOP $$; sleep 1000");
  groups_.end(stopped);
  until_empty();
  EXPECT_EQ(ended_.at(stopped).signal, SIGTERM);
}

TEST_F(ProgramGroupsTest, EndsAllAtOnce) {
  start("trap '' TERM; echo; sleep 1000; sleep 1000");
  start("echo; sleep 1000");
  groups_.end_all(std::chrono::milliseconds(100));
  until_empty();
  EXPECT_EQ(ended_.size(), 2u);
}

// Each of a line of processes forks the next, leaves its session and ends: none is old, and all of it is to end.
TEST_F(ProgramGroupsTest, EndsWhatKeepsForkingAwayFromItself) {
  const std::string hop = R"(trap "" TERM PIPE; echo $$; sleep 0.1; setsid sh -c "$HOP" &)";
  start("export HOP='" + hop + R"('; setsid sh -c "$HOP" &)");
  until([&] { return !ended_.empty(); });
  groups_.end_all(std::chrono::milliseconds(300));
  until_empty();
}

// Of anything that is to run, where the test is not to wait for what it says.
ProgramStart quick_program(const base::FileDescriptor& folder, const base::FileDescriptor& null) {
  ProgramStart program;
  program.executable = "/bin/true";
  program.arguments = {"true"};
  program.folder = folder.get();
  program.standard = {null.get(), null.get(), null.get()};
  return program;
}

// Stops every child of its parent, as the user could whom a child has become.
[[noreturn]] void stop_siblings() {
  const std::string file = "/proc/" + std::to_string(getppid()) + "/task/" + std::to_string(getppid()) + "/children";
  while (true) {
    std::ifstream children(file);
    for (pid_t pid; children >> pid;) {
      if (pid != getpid()) kill(pid, SIGSTOP);
    }
  }
}

TEST(StartApart, IsNotHeldUpByWhoStopsTheChild) {
  if (!kStartsShareMemory) GTEST_SKIP() << "starts share no memory in this build";
  const base::FileDescriptor null(open("/dev/null", O_RDWR | O_CLOEXEC));
  const base::FileDescriptor folder(open("/", O_PATH | O_CLOEXEC));
  const ProgramStart program = quick_program(folder, null);
  const pid_t hostile = fork();
  if (hostile == 0) stop_siblings();
  const base::Instant until = base::monotonic_now() + std::chrono::seconds(20);
  bool was_stopped = false;
  while (!was_stopped && base::monotonic_now() < until) {
    const ProgramStarted started = start_apart(program);
    was_stopped = started.pid == 0 && started.failed == StartStep::kExec && started.error == ETIMEDOUT;
    if (started.pid == 0) continue;
    kill(started.pid, SIGKILL);
    waitpid(started.pid, nullptr, 0);
  }
  EXPECT_TRUE(was_stopped);
  kill(hostile, SIGKILL);
  waitpid(hostile, nullptr, 0);
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);  // nothing is left to wait for
}

// A service of an ordinary user may have capabilities; what it starts does not get them.
TEST(StartApart, KeepsNoCapabilityOfAnOrdinaryUser) {
  if (!running_as_root()) GTEST_SKIP() << "needs root";
  Pipe output;
  const base::FileDescriptor null(open("/dev/null", O_RDWR | O_CLOEXEC));
  const base::FileDescriptor folder(open("/", O_PATH | O_CLOEXEC));
  ProgramStart program = quick_program(folder, null);
  program.executable = "/bin/grep";
  program.arguments = {"grep", "-E", "Cap(Inh|Prm|Eff|Amb)", "/proc/self/status"};
  program.standard[1] = output.writing.get();
  const pid_t service = fork();
  if (service == 0) {
    prctl(PR_SET_KEEPCAPS, 1);
    if (setresuid(script_user(), script_user(), script_user()) != 0) _exit(1);
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct bind[_LINUX_CAPABILITY_U32S_3] = {};
    bind[0].permitted = bind[0].effective = bind[0].inheritable = 1U << CAP_NET_BIND_SERVICE;
    if (syscall(SYS_capset, &header, bind) != 0) _exit(2);
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_BIND_SERVICE, 0, 0) != 0) _exit(3);
    const ProgramStarted started = start_apart(program);
    waitpid(started.pid, nullptr, 0);
    _exit(started.pid == 0 ? 4 : 0);
  }
  EXPECT_EQ(output.read_all(),
            "CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n"
            "CapAmb:\t0000000000000000\n");
  int status = 0;
  waitpid(service, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(StartApart, SaysWhichStepFailed) {
  const base::FileDescriptor null(open("/dev/null", O_RDWR | O_CLOEXEC));
  ProgramStart program;
  program.executable = "/no/such/program";
  program.arguments = {"x"};
  program.folder = null.get();
  program.standard = {null.get(), null.get(), null.get()};
  ProgramStarted outcome = start_apart(program);
  EXPECT_EQ(outcome.pid, 0);
  EXPECT_EQ(outcome.failed, StartStep::kFolder);
  EXPECT_EQ(outcome.error, ENOTDIR);
  const base::FileDescriptor folder(open("/", O_PATH | O_CLOEXEC));
  program.folder = folder.get();
  outcome = start_apart(program);
  EXPECT_EQ(outcome.failed, StartStep::kExec);
  EXPECT_EQ(outcome.error, ENOENT);
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);  // nothing is left to wait for
}

}  // namespace
}  // namespace cutwater::supervise
