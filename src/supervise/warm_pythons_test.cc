// Warm Pythons as the spawner keeps them, with interpreters that behave as the test says.
#include "supervise/warm_pythons.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>

#include "io/signals.h"
#include "supervise/script_test_support.h"

namespace cutwater::supervise {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// What stands in for the package's own main.py; `run` is the test's.
constexpr const char* kInterpreter = R"(
import json, os, signal, socket, sys, time
channel = socket.socket(fileno=os.dup(0))
channel.setblocking(True)
_, [answers], _, _ = socket.recv_fds(channel, 65536, 1)
def say(kind, **fields):
    os.write(answers, json.dumps({"type": kind, **fields}).encode() + b"\n")
def hear():
    data, _, _, _ = socket.recv_fds(channel, 65536, 5)
    return json.loads(data)["script"] if data else None
def begin(script, then):
    pid = os.fork()
    if pid == 0:
        os.setsid()
        say("running", script=script, pid=os.getpid())
        channel.close()
        os.close(0)
        os.close(answers)
        then()
        os._exit(0)
    return pid
def run():
)";

class WarmPythonsTest : public testing::Test, protected WarmRunWatcher {
 protected:
  void SetUp() override {
    auto signals = io::SignalWatcher::create(loop_, {SIGCHLD}, [this](int) {
      groups_.reap();
      look();
    });
    ASSERT_TRUE(signals.ok());
    signals_ = std::move(*signals);
    options_.library = folder_.path();
    options_.patience = std::chrono::milliseconds(1500);
    folder_.folder("cutwater", 0);
    folder_.folder("cutwater/warm_cgi", 0);
    folder_.write("cutwater/__init__.py", "");
    folder_.write("cutwater/warm_cgi/__init__.py", "");
  }
  void TearDown() override {
    pythons_.reset();
    groups_.end_all(base::Duration::zero());
    until([this] { return groups_.empty(); });
    signals_.reset();
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_UNBLOCK, &set, nullptr);
    prctl(PR_SET_CHILD_SUBREAPER, 0);
  }

  // `body`: lines indented by four.
  void behave(const std::string& body) {
    folder_.write("cutwater/warm_cgi/main.py", kInterpreter + body);
    pythons_.emplace(loop_, groups_, options_, [this](const std::string& text) { notices_.push_back(text); });
  }
  std::optional<uint64_t> run(const std::string& name = "a") {
    WarmCommand command;
    command.words = {"/usr/bin/python3"};
    command.environment = {"PATH=/usr/bin:/bin", "NAME=" + name};
    const base::FileDescriptor null(open("/dev/null", O_RDWR | O_CLOEXEC));
    const std::array<int, 5> descriptors = {null.get(), null.get(), null.get(), null.get(), null.get()};
    return pythons_->run(std::move(command), {}, descriptors, "/script", *this);
  }
  void until(std::function<bool()> done) {
    done_ = std::move(done);
    io::Timer give_up(loop_.timers(), [this] { loop_.stop(); });
    give_up.set(base::monotonic_now() + std::chrono::seconds(15));
    if (!done_()) loop_.run();
    EXPECT_TRUE(done_());
    done_ = nullptr;
  }
  void look() {
    if (done_ && done_()) loop_.stop();
  }

  // How the run ended, which may have been before anybody saw it run.
  std::optional<ExitStatus> end_of(uint64_t run) {
    if (over_.contains(run)) return over_[run];
    if (!begun_.contains(run) || !ended_.contains(begun_[run])) return std::nullopt;
    return ended_[begun_[run]];
  }

  void on_warm_begin(uint64_t run, pid_t pid) override {
    begun_[run] = pid;
    look();
  }
  void on_warm_refusal(uint64_t run) override {
    refused_.push_back(run);
    look();
  }
  void on_warm_end(uint64_t run, const ExitStatus& status) override {
    over_[run] = status;
    look();
  }

  io::Loop loop_;
  ScriptFolderOnDisk folder_;
  std::map<pid_t, ExitStatus> ended_;
  std::map<uint64_t, pid_t> begun_;
  std::map<uint64_t, ExitStatus> over_;
  std::vector<uint64_t> refused_;
  std::vector<std::string> notices_;
  WarmPythons::Options options_;
  std::optional<WarmPythons> pythons_;
  ProgramGroups groups_{loop_, [this](pid_t pid, const ExitStatus& status) {
                          ended_[pid] = status;
                          if (pythons_) pythons_->on_program_end(pid, status);
                          look();
                        }};
  std::unique_ptr<io::SignalWatcher> signals_;
  std::function<bool()> done_;
};

constexpr const char* kSound = R"(
    say("ready", python="3.11.2")
    while True:
        script = hear()
        if script is None:
            os._exit(0)
        pid = begin(script, lambda: os._exit(7))
        _, status = os.waitpid(pid, 0)
        say("ended", script=script, code=os.WEXITSTATUS(status), signal=0)
)";

TEST_F(WarmPythonsTest, TellsBeginAndEnd) {
  behave(kSound);
  for (int times = 0; times < 3; ++times) {
    const auto number = run();
    ASSERT_TRUE(number);
    until([&] { return end_of(*number).has_value(); });
    EXPECT_EQ(end_of(*number)->code, 7);
  }
  EXPECT_THAT(notices_, IsEmpty());
}

// The master itself, a process of another session, the interpreter: none of these is a script of it.
TEST_F(WarmPythonsTest, BelievesNoNumberOfAnothersProcess) {
  behave(R"(
    say("ready", python="3.11.2")
    for pid in (1, os.getppid(), os.getpid(), 2**22):
        script = hear()
        say("running", script=script, pid=pid)
        say("ended", script=script, code=3, signal=0)
    hear()
)");
  for (int times = 0; times < 4; ++times) {
    const auto number = run();
    ASSERT_TRUE(number);
    until([&] { return over_.contains(*number); });
    EXPECT_EQ(over_[*number].code, 3);
  }
  EXPECT_TRUE(begun_.empty());
}

TEST_F(WarmPythonsTest, WhoTellsOfAScriptThatIsNotThereEndsWithIt) {
  behave(R"(
    say("ready", python="3.11.2")
    say("running", script=hear(), pid=1)
    hear()
)");
  const auto number = run();
  ASSERT_TRUE(number);
  pythons_->end(*number);
  until([&] { return over_.contains(*number); });
  EXPECT_NE(ended_.begin()->second.signal, 0);
}

TEST_F(WarmPythonsTest, AFloodHoldsNobodyUpAndEndsIt) {
  behave(R"(
    say("ready", python="3.11.2")
    hear()
    while True:
        say("ended", script=12345, code=0, signal=0)
)");
  const auto number = run();
  ASSERT_TRUE(number);
  until([&] { return !refused_.empty(); });
  EXPECT_THAT(refused_, ElementsAre(*number));
  run();  // its end is looked at when it is asked for next
  ASSERT_EQ(notices_.size(), 1U);
  EXPECT_THAT(notices_[0], HasSubstr("it sent what it should not"));
}

TEST_F(WarmPythonsTest, AStartThatHangsIsWaitedForOnce) {
  behave(R"(
    while True:
        time.sleep(100)
)");
  const auto number = run();
  ASSERT_TRUE(number);
  until([&] { return !refused_.empty(); });
  for (int times = 0; times < 3; ++times) EXPECT_FALSE(run());
  ASSERT_EQ(notices_.size(), 1U);
  EXPECT_THAT(notices_[0], HasSubstr("it was not ready in time"));
}

TEST_F(WarmPythonsTest, WhatSaysWhyItCannotBeIsQuoted) {
  behave("    say('unfit', text='it is of stone')\n");
  const auto number = run();
  ASSERT_TRUE(number);
  until([&] { return !refused_.empty(); });
  EXPECT_FALSE(run());
  ASSERT_EQ(notices_.size(), 1U);
  EXPECT_THAT(notices_[0], HasSubstr("it is of stone"));
}

// One that does not end, and does not tell of its scripts' ends any more.
TEST_F(WarmPythonsTest, ARetiredOneThatHangsIsKilledAndItsScriptsEndsAreTold) {
  behave(R"(
    say("ready", python="3.11.2")
    begin(hear(), lambda: os._exit(4))
    while True:
        time.sleep(100)
)");
  const auto number = run();
  ASSERT_TRUE(number);
  until([&] { return begun_.contains(*number); });
  pythons_->renew();
  until([&] { return end_of(*number).has_value() && ended_.size() == 2; });
  EXPECT_EQ(end_of(*number)->code, 4);
}

// A descriptor that came along would be closed here, which can take as long as its user likes.
TEST_F(WarmPythonsTest, ItCanSendNoDescriptor) {
  behave(R"(
    try:
        socket.send_fds(channel, [b"x"], [0])
        say("unfit", text="it was sent")
    except BrokenPipeError:
        say("ready", python="3.11.2")
    say("ended", script=hear(), code=5, signal=0)
    hear()
)");
  const auto number = run();
  ASSERT_TRUE(number);
  until([&] { return !refused_.empty() || over_.contains(*number); });
  EXPECT_EQ(over_[*number].code, 5);
  EXPECT_THAT(notices_, IsEmpty());
}

// One forked for a script, and stopped before it said so: it must not become the script when that is started anew.
TEST_F(WarmPythonsTest, WhatWasNotToldOfNeverRuns) {
  const std::string mark = folder_.path() + "/mark";
  behave(R"(
    say("ready", python="3.11.2")
    script = hear()
    pid = os.fork()
    if pid == 0:
        os.setsid()
        os.kill(os.getpid(), signal.SIGSTOP)
        say("running", script=script, pid=os.getpid())
        open(")" +
         mark + R"(", "w")
        time.sleep(100)
    hear()
)");
  const auto number = run();
  ASSERT_TRUE(number);
  until([&] { return !refused_.empty(); });
  EXPECT_THAT(refused_, ElementsAre(*number));
  EXPECT_NE(access(mark.c_str(), F_OK), 0);
  EXPECT_TRUE(begun_.empty());
}

// What was said in time counts, though it is read late.
TEST_F(WarmPythonsTest, WhatWasToldOfBeforeItsEndRuns) {
  behave(R"(
    say("ready", python="3.11.2")
    reading, writing = os.pipe()
    begin(hear(), lambda: (os.write(writing, b"x"), time.sleep(1000)))
    os.read(reading, 1)
    os.kill(os.getpid(), signal.SIGKILL)
)");
  const auto number = run();
  ASSERT_TRUE(number);
  until([&] { return begun_.contains(*number) || !refused_.empty(); });
  until([&] { return !ended_.empty(); });
  ASSERT_TRUE(begun_.contains(*number));
  EXPECT_EQ(kill(begun_[*number], 0), 0);
  pythons_->end(*number);
}

TEST_F(WarmPythonsTest, OneThatIsInUseMakesNoRoom) {
  options_.most = 1;
  options_.keep = std::chrono::hours(1);
  behave(kSound);
  ASSERT_TRUE(run("a"));
  EXPECT_FALSE(run("b"));
  EXPECT_FALSE(run("b"));
  EXPECT_TRUE(run("a"));
  ASSERT_EQ(notices_.size(), 1U);
  EXPECT_THAT(notices_[0], HasSubstr("1 other warm ones are in use"));
}

TEST_F(WarmPythonsTest, OneThatIsNotInUseMakesRoom) {
  options_.most = 1;
  options_.keep = base::Duration::zero();
  behave(kSound);
  for (const char* name : {"a", "b", "a"}) {
    const auto number = run(name);
    ASSERT_TRUE(number);
    until([&] { return end_of(*number).has_value(); });
  }
  EXPECT_THAT(notices_, IsEmpty());
}

}  // namespace
}  // namespace cutwater::supervise
