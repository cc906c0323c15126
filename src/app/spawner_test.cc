// The spawner as a process of its own, with a master and fronts that the test plays.
#include "app/spawner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>

#include <fstream>

#include "control/messages.h"
#include "control/pool_messages.h"
#include "control/script_messages.h"
#include "supervise/process_start.h"
#include "supervise/script_test_support.h"

namespace cutwater::app {
namespace {

using control::Channel;
using supervise::Pipe;
using testing::HasSubstr;

class SpawnerTest : public testing::Test {
 protected:
  void SetUp() override {
    auto pair = Channel::make_pair();
    ASSERT_TRUE(pair.ok());
    const base::FileDescriptor folder = scripts_.open_it();
    auto started = supervise::fork_role({pair->second.descriptor(), folder.get()}, [&] {
      supervise::ScriptEntry entry;
      entry.root = scripts_.path();
      entry.folder.reset(dup(folder.get()));
      std::vector<supervise::ScriptEntry> entries;
      entries.push_back(std::move(entry));
      std::vector<supervise::PoolEntry> pools(2);
      pools[0].name = "a";
      pools[0].command = {"sh", "-c", "echo $CUTWATER_POOL >&2; exec cat"};
      pools[0].root = "/";
      pools[0].most = 2;
      for (supervise::PoolEntry& pool : pools) pool.user = supervise::running_as_root() ? "nobody" : "";
      pools[1].name = "b";
      pools[1].command = {"no-such-program"};
      pools[1].root = "/";
      SocketFiles none;
      return run_spawner({Channel(base::FileDescriptor(pair->second.descriptor())),
                          none,
                          std::move(entries),
                          std::move(pools),
                          {},
                          {}});
    });
    ASSERT_TRUE(started.ok());
    pid_ = started->pid;
    master_.emplace(std::move(pair->first));
    front_.emplace(connect(0));
  }
  void TearDown() override {
    if (pid_ == 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }

  Channel connect(unsigned number) {
    auto pair = Channel::make_pair();
    control::ServeFront message;
    message.front = number;
    EXPECT_TRUE(master_->send(control::encode(message), {pair->second.descriptor()}));
    return std::move(pair->first);
  }
  nlohmann::json start(uint64_t number, const std::string& path) {
    control::StartScript message;
    message.script = number;
    message.path = path;
    message.variables = {"QUERY_STRING=x"};
    return control::encode(message);
  }
  // Sends it with what it takes; the output is `output_`'s.
  void send_start(Channel& front, uint64_t number, const std::string& path) {
    const base::FileDescriptor script = scripts_.open_below(path);
    const base::FileDescriptor null(open("/dev/null", O_RDWR | O_CLOEXEC));
    output_ = Pipe();
    ASSERT_TRUE(front.send(start(number, path), {script.get(), null.get(), output_.writing.get(), null.get()}));
    output_.writing.reset();
  }
  // The next message, or null at the channel's end.
  nlohmann::json next(Channel& channel) {
    control::Message message;
    while (true) {
      pollfd ready{channel.descriptor(), POLLIN, 0};
      EXPECT_EQ(poll(&ready, 1, 10000), 1);
      const Channel::Outcome outcome = channel.receive(message);
      if (outcome == Channel::Outcome::kMessage) return message.body;
      if (outcome != Channel::Outcome::kNothing || ready.revents == 0) return nullptr;
    }
  }
  // A process of a pool; its error stream is `output_`'s. What it gets as socket is a pipe: `sh` does not mind.
  void send_process(Channel& front, uint64_t number, unsigned entry) {
    control::StartProcess message;
    message.process = number;
    message.entry = entry;
    output_ = Pipe();
    input_ = Pipe();
    ASSERT_TRUE(front.send(control::encode(message), {input_.reading.get(), output_.writing.get()}));
    output_.writing.reset();
    input_.reading.reset();
  }
  std::string first_line() {
    std::string line;
    for (char c; read(output_.reading.get(), &c, 1) == 1 && c != '\n';) line += c;
    return line;
  }
  int exit_code() {
    int status = 0;
    waitpid(std::exchange(pid_, 0), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  supervise::ScriptFolderOnDisk scripts_;
  pid_t pid_ = 0;
  std::optional<Channel> master_;
  std::optional<Channel> front_;
  Pipe output_;
  Pipe input_;
};

TEST_F(SpawnerTest, StartsAndTellsTheEnd) {
  scripts_.shell("x.sh", "echo $QUERY_STRING; exit 3");
  send_start(*front_, 7, "x.sh");
  EXPECT_EQ(output_.read_all(), "x\n");
  EXPECT_EQ(next(*front_).dump(), R"({"code":3,"script":7,"signal":0,"type":"script_ended"})");
}

TEST_F(SpawnerTest, TellsWhyNot) {
  scripts_.write("x.sh", "#!/bin/sh\n", 0644);
  send_start(*front_, 1, "x.sh");
  const nlohmann::json refused = next(*front_);
  EXPECT_EQ(refused["type"], "script_refused");
  EXPECT_EQ(refused["reason"], "not_executable");
  EXPECT_EQ(output_.read_all(), "");
}

TEST_F(SpawnerTest, EndsWhatItIsToldTo) {
  scripts_.shell("x.sh", "echo; exec sleep 1000");
  send_start(*front_, 1, "x.sh");
  first_line();
  control::EndScript message;
  message.script = 1;
  front_->send(control::encode(message));
  EXPECT_EQ(next(*front_)["signal"], SIGTERM);
}

TEST_F(SpawnerTest, EndsWhatAFrontThatIsGoneHasStarted) {
  scripts_.shell("x.sh", "sleep 1000 & echo $$; wait");
  Channel other = connect(1);
  send_start(other, 1, "x.sh");
  first_line();
  other.release();
  EXPECT_EQ(output_.read_all(), "");  // its end: nobody has it open any more
  send_start(*front_, 1, "x.sh");     // the others go on
  EXPECT_NE(first_line(), "");
}

TEST_F(SpawnerTest, DropsAFrontThatAsksForWhatItMayNot) {
  scripts_.shell("x.sh", "");
  const base::FileDescriptor script = scripts_.open_below("x.sh");
  const base::FileDescriptor null(open("/dev/null", O_RDWR | O_CLOEXEC));
  nlohmann::json no_entry = start(1, "x.sh");
  no_entry["entry"] = 1;
  nlohmann::json no_bytes = start(1, "x.sh");
  no_bytes["variables"] = {"A=\xe2\x82\xac"};
  const std::vector<int> all = {script.get(), null.get(), null.get(), null.get()};
  const std::vector<int> few = {script.get(), null.get(), null.get()};
  unsigned number = 1;
  for (const auto& [body, descriptors] :
       {std::pair(no_entry, all), std::pair(no_bytes, all), std::pair(start(1, "x.sh"), few),
        std::pair(nlohmann::json{{"type", "start"}, {"command", "/bin/sh"}}, all)}) {
    Channel front = connect(number++);
    ASSERT_TRUE(front.send(body, descriptors));
    EXPECT_EQ(next(front), nullptr) << body;
  }
  send_start(*front_, 1, "x.sh");
  EXPECT_EQ(next(*front_)["code"], 0);
}

TEST_F(SpawnerTest, EndsEverythingWhenItIsToQuit) {
  scripts_.shell("x.sh", "trap '' TERM; echo; sleep 1000; sleep 1000");
  send_start(*front_, 1, "x.sh");
  first_line();
  master_->send(control::encode(control::Quit{}));
  EXPECT_EQ(exit_code(), 0);
  EXPECT_EQ(output_.read_all(), "");
}

TEST_F(SpawnerTest, EndsEverythingWhenTheMasterIsGone) {
  scripts_.shell("x.sh", "echo; exec sleep 1000");
  send_start(*front_, 1, "x.sh");
  first_line();
  master_.reset();
  EXPECT_EQ(exit_code(), 0);
  EXPECT_EQ(output_.read_all(), "");
}

TEST_F(SpawnerTest, TakesItsScriptsWithItWhenItIsKilled) {
  scripts_.shell("x.sh", "trap '' TERM; echo; while :; do sleep 1; done");
  send_start(*front_, 1, "x.sh");
  first_line();
  kill(pid_, SIGKILL);
  EXPECT_EQ(next(*front_), nullptr);
  char byte;
  EXPECT_EQ(read(output_.reading.get(), &byte, 1), 0);
}

TEST_F(SpawnerTest, TellsOfTheBirthAndTheEndOfAProcess) {
  send_process(*front_, 7, 0);
  const nlohmann::json started = next(*front_);
  EXPECT_EQ(started["type"], "process_started");
  EXPECT_EQ(started["process"], 7);
  EXPECT_EQ(first_line(), "a");
  EXPECT_EQ(kill(started["pid"], 0), 0);
  input_.writing.reset();
  EXPECT_EQ(next(*front_).dump(), R"({"code":0,"process":7,"signal":0,"type":"process_ended"})");
}

TEST_F(SpawnerTest, TellsWhyThereIsNoProcess) {
  send_process(*front_, 1, 1);
  const nlohmann::json refused = next(*front_);
  EXPECT_EQ(refused["type"], "process_refused");
  EXPECT_THAT(refused["text"], HasSubstr("there is no no-such-program in /usr/local/bin"));
}

TEST_F(SpawnerTest, EndsAProcessWhenItIsToldTo) {
  send_process(*front_, 1, 0);
  next(*front_);
  first_line();
  control::EndProcess message;
  message.process = 1;
  message.grace = std::chrono::seconds(2);
  front_->send(control::encode(message));
  EXPECT_EQ(next(*front_)["signal"], SIGTERM);
}

TEST_F(SpawnerTest, ProcessesEndWithTheirFront) {
  Channel other = connect(1);
  send_process(other, 1, 0);
  next(other);
  first_line();
  other.release();
  EXPECT_EQ(output_.read_all(), "");  // nobody has it open any more
}

TEST_F(SpawnerTest, DropsAFrontThatAsksForProcessesItMayNotHave) {
  std::vector<Pipe> kept;  // else the processes end
  const auto keep = [&] {
    kept.push_back(std::move(output_));
    kept.push_back(std::move(input_));
  };
  Channel many = connect(1);
  send_process(many, 1, 0);
  next(many);
  keep();
  send_process(many, 2, 0);
  next(many);
  keep();
  send_process(many, 3, 0);
  EXPECT_EQ(next(many), nullptr) << "more than its share";
  Channel same = connect(2);
  send_process(same, 1, 0);
  next(same);
  keep();
  send_process(same, 1, 0);
  EXPECT_EQ(next(same), nullptr) << "a number twice";
  Channel unknown = connect(3);
  send_process(unknown, 1, 2);
  EXPECT_EQ(next(unknown), nullptr) << "no such pool";
  Channel bare = connect(4);
  control::StartProcess message;
  ASSERT_TRUE(bare.send(control::encode(message)));
  EXPECT_EQ(next(bare), nullptr) << "no descriptors";
  send_process(*front_, 1, 0);
  EXPECT_EQ(next(*front_)["type"], "process_started");
}

}  // namespace
}  // namespace cutwater::app
