#include "supervise/program_groups.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>

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
