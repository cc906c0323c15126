#include "handler/script_runner.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "handler/handler_test_support.h"

namespace cutwater::handler {
namespace {

using Kind = ScriptEnd::Kind;

class NotingWatcher final : public ScriptWatcher {
 public:
  void on_script_end(const ScriptEnd& end) override { ends.push_back(end); }
  std::vector<ScriptEnd> ends;
};

class ScriptRunnerTest : public testing::Test {
 protected:
  void connect() {
    auto pair = control::Channel::make_pair();
    ASSERT_TRUE(pair.ok());
    spawner_.emplace(std::move(pair->first));
    runner_.connect(pair->second.release());
  }
  std::optional<uint64_t> start(size_t bytes = 10) {
    control::StartScript message;
    message.path = "x.cgi";
    message.variables = {std::string(bytes, 'x')};
    std::vector<base::FileDescriptor> descriptors;
    for (int place = 0; place < 4; ++place) descriptors.emplace_back(open("/dev/null", O_RDWR | O_CLOEXEC));
    return runner_.start(std::move(message), std::move(descriptors), watcher_);
  }
  control::Message received() {
    control::Message message;
    loop_until([&] { return spawner_->receive(message) == control::Channel::Outcome::kMessage; });
    return message;
  }
  void loop_until(std::function<bool()> happened) { turns_.until(std::move(happened)); }
  void until_ends(size_t count) {
    loop_until([&] { return watcher_.ends.size() == count; });
  }

  io::Loop loop_;
  LoopRunner turns_{loop_};
  std::optional<control::Channel> spawner_;
  NotingWatcher watcher_;
  ScriptRunner runner_{loop_};
};

TEST_F(ScriptRunnerTest, TellsHowEachEnded) {
  connect();
  const uint64_t one = *start();
  const uint64_t other = *start();
  EXPECT_EQ(received().descriptors.size(), 4u);
  EXPECT_EQ(received().body["script"], other);
  control::ScriptEnded killed;
  killed.script = other;
  killed.signal = SIGKILL;
  spawner_->send(control::encode(killed));
  control::ScriptRefused refused;
  refused.script = one;
  refused.reason = "identity";
  refused.text = control::bytes_to_text("\xff");
  spawner_->send(control::encode(refused));
  spawner_->send(control::encode(refused));  // nobody's
  until_ends(2);
  EXPECT_EQ(watcher_.ends[0].kind, Kind::kKilled);
  EXPECT_EQ(watcher_.ends[1].kind, Kind::kRefused);
  EXPECT_EQ(watcher_.ends[1].reason, "identity");
  EXPECT_EQ(watcher_.ends[1].text, "\xff");
}

TEST_F(ScriptRunnerTest, EndsAndForgets) {
  connect();
  const uint64_t script = *start();
  received();
  runner_.forget(script);
  const control::Message end = received();
  EXPECT_EQ(end.type(), control::EndScript::kType);
  EXPECT_EQ(end.body["script"], script);
  spawner_.reset();
  turns_.turns(std::chrono::milliseconds(10));
  EXPECT_TRUE(watcher_.ends.empty());
}

TEST_F(ScriptRunnerTest, WhatRanUnderASpawnerIsGoneWithIt) {
  connect();
  start();
  spawner_.reset();
  until_ends(1);
  EXPECT_EQ(watcher_.ends[0].kind, Kind::kSpawnerGone);
}

TEST_F(ScriptRunnerTest, WhatHasNotBegunWaitsForTheNextSpawner) {
  const uint64_t first = *start();
  const uint64_t ended = *start();
  const uint64_t second = *start();
  runner_.forget(ended);
  connect();
  EXPECT_EQ(received().body["script"], first);
  const control::Message message = received();
  EXPECT_EQ(message.body["script"], second);
  EXPECT_EQ(message.descriptors.size(), 4u);
  EXPECT_TRUE(watcher_.ends.empty());
}

TEST_F(ScriptRunnerTest, WhatIsEndedWhileItWaitsNeverBegins) {
  runner_.end(*start());
  until_ends(1);
  EXPECT_EQ(watcher_.ends[0].kind, Kind::kNoSpawner);
}

TEST_F(ScriptRunnerTest, WhatIsEndedWhileItWaitsIsNotSentToTheNextSpawner) {
  const uint64_t ended = *start();
  const uint64_t other = *start();
  runner_.end(ended);
  connect();
  EXPECT_EQ(received().body["script"], other);
  until_ends(1);
  EXPECT_EQ(watcher_.ends[0].kind, Kind::kNoSpawner);
}

TEST_F(ScriptRunnerTest, NoSpawnerIsWaitedForForEver) {
  const base::Instant begun = base::monotonic_now();
  start();
  until_ends(1);
  EXPECT_EQ(watcher_.ends[0].kind, Kind::kNoSpawner);
  EXPECT_GE(base::monotonic_now() - begun, ScriptRunner::kPatience);
}

TEST_F(ScriptRunnerTest, RefusesVariablesThatAreTooLarge) {
  EXPECT_FALSE(start(70000));  // also when they would have to wait
  connect();
  EXPECT_FALSE(start(70000));
  EXPECT_TRUE(start());
  EXPECT_EQ(received().body["script"], 3);
}

}  // namespace
}  // namespace cutwater::handler
