// The line of requests before a pool, and a process with the socket that nobody else reaches.
#include "handler/gateway_pool.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <deque>

#include "base/task.h"
#include "handler/spool.h"
#include "upstream/connect.h"

namespace cutwater::handler {
namespace {

using Outcome = GatewayPool::Outcome;

class NoLog final : public base::LogSink {
 public:
  void write(base::Severity, std::string_view code, std::string_view text) override {
    lines.push_back(std::string(code) + " " + std::string(text));
  }
  std::vector<std::string> lines;
};

class Pool final : public GatewayPool, public PooledProcessOwner {
 public:
  Pool(io::Loop& loop, GatewayPoolOptions options) : GatewayPool(loop, std::move(options)) {}

  std::shared_ptr<PooledProcess> make(base::Duration timeout = std::chrono::seconds(10), base::Duration slow = {}) {
    auto process = std::make_shared<PooledProcess>(
        PooledProcess::Place{loop_, *this, log, pace, "pool x", timeout, slow}, ++last_);
    const auto opened = process->open(find_spool_directory());
    EXPECT_TRUE(opened.ok()) << (opened.ok() ? "" : opened.error().message);
    process->set_pid(static_cast<pid_t>(last_));
    return process;
  }
  void add() {
    free.push_back(make());
    serve_line();
  }
  void pause() {
    paused = true;
    refuse_line();
  }

  std::string retry_after() const override { return "1"; }
  void on_use_over(PooledProcess& process, ProcessUse how) override { over.emplace_back(process.id(), how); }
  void on_time_over(PooledProcess& process) override { killed.push_back(process.id()); }

  NoLog log;
  StderrPace pace{loop_};
  std::deque<std::shared_ptr<PooledProcess>> free;
  bool paused = false;
  unsigned changes = 0;
  std::vector<std::pair<uint64_t, ProcessUse>> over;
  std::vector<uint64_t> killed;

 private:
  std::shared_ptr<PooledProcess> take() override {
    if (free.empty()) return nullptr;
    auto first = std::move(free.front());
    free.pop_front();
    return first;
  }
  void give_back(PooledProcess& process) override { over.emplace_back(process.id(), ProcessUse::kNotBegun); }
  bool is_paused() const override { return paused; }
  void on_waiting() override { ++changes; }

  uint64_t last_ = 0;
};

class GatewayPoolTest : public testing::Test {
 protected:
  base::Task<void> ask(std::string name, bool again = false) {
    GatewayPool::Wait wait(pool_, again);
    waits_.push_back(&wait);
    const Outcome outcome = co_await wait;
    std::erase(waits_, &wait);
    if (outcome == Outcome::kTaken) held_.push_back(wait.take_process());
    ended_.emplace_back(std::move(name), outcome);
    if (ended_.size() == expected_) loop_.stop();
  }
  void run_until(size_t ended) {
    expected_ = ended;
    if (ended_.size() < ended) loop_.run();
  }

  io::Loop loop_;
  Pool pool_{loop_, {"x", std::chrono::seconds(10), 2, std::chrono::milliseconds(50)}};
  std::vector<GatewayPool::Wait*> waits_;
  std::vector<std::shared_ptr<PooledProcess>> held_;
  std::vector<std::pair<std::string, Outcome>> ended_;
  size_t expected_ = 0;
  base::TaskSet tasks_;
};

TEST_F(GatewayPoolTest, TheFirstThatCameGetsTheFirstThatIsFree) {
  tasks_.start(ask("a"));
  tasks_.start(ask("b"));
  EXPECT_EQ(pool_.waiting(), 2u);
  pool_.add();
  run_until(1);
  pool_.add();
  run_until(2);
  EXPECT_EQ(ended_[0], std::pair(std::string("a"), Outcome::kTaken));
  EXPECT_EQ(ended_[1], std::pair(std::string("b"), Outcome::kTaken));
  EXPECT_EQ(pool_.waiting(), 0u);
}

TEST_F(GatewayPoolTest, NobodyWaitsWhileOneIsFree) {
  pool_.add();
  tasks_.start(ask("a"));
  EXPECT_EQ(ended_.size(), 1u);
}

TEST_F(GatewayPoolTest, WhoComesAgainGoesFirstAndIsNeverTooMany) {
  tasks_.start(ask("a"));
  tasks_.start(ask("b"));
  tasks_.start(ask("c"));
  EXPECT_EQ(ended_.at(0), std::pair(std::string("c"), Outcome::kFull));
  tasks_.start(ask("d", true));
  pool_.add();
  run_until(2);
  EXPECT_EQ(ended_[1], std::pair(std::string("d"), Outcome::kTaken));
}

TEST_F(GatewayPoolTest, NobodyWaitsForLongerThanQueueTimeout) {
  tasks_.start(ask("a"));
  run_until(1);
  EXPECT_EQ(ended_[0].second, Outcome::kTimedOut);
  EXPECT_EQ(pool_.waiting(), 0u);
}

TEST_F(GatewayPoolTest, APauseEndsAllWaitsAndLetsNobodyWait) {
  tasks_.start(ask("a"));
  tasks_.start(ask("b"));
  pool_.pause();
  run_until(2);
  tasks_.start(ask("c"));
  for (const auto& [name, outcome] : ended_) EXPECT_EQ(outcome, Outcome::kPaused) << name;
  EXPECT_EQ(ended_.size(), 3u);
}

TEST_F(GatewayPoolTest, WhoLeavesTakesNoProcess) {
  tasks_.start(ask("a"));
  tasks_.start(ask("b"));
  waits_[0]->leave();
  pool_.add();
  run_until(2);
  EXPECT_EQ(ended_[0], std::pair(std::string("a"), Outcome::kLeft));
  EXPECT_EQ(ended_[1], std::pair(std::string("b"), Outcome::kTaken));
}

TEST_F(GatewayPoolTest, AWaitThatIsDestroyedGivesBackWhatItWasGiven) {
  tasks_.start(ask("a"));
  pool_.add();
  tasks_.cancel_all();
  EXPECT_EQ(pool_.over, (std::vector<std::pair<uint64_t, ProcessUse>>{{1, ProcessUse::kNotBegun}}));
  tasks_.start(ask("b"));
  tasks_.cancel_all();
  EXPECT_EQ(pool_.waiting(), 0u);
}

// ---- one process

class NoListener final : public PooledProcessListener {
 public:
  void on_process_time_over() override { ++times; }
  unsigned times = 0;
};

class PooledProcessTest : public GatewayPoolTest {
 protected:
  base::Task<void> connect(PooledProcess& process) {
    auto connecting = process.peer().connect(base::kNever);
    upstream::Connected connected = co_await connecting;
    EXPECT_EQ(connected.error, 0);
    stream_ = std::move(connected.stream);
  }
  void run_for(base::Duration time) {
    io::Timer stop(loop_.timers(), [this] { loop_.stop(); });
    stop.set(base::monotonic_now() + time);
    loop_.run();
  }
  // What the process has.
  base::FileDescriptor accept_one(const std::vector<base::FileDescriptor>& theirs) {
    return base::FileDescriptor(accept4(theirs.at(0).get(), nullptr, nullptr, SOCK_CLOEXEC));
  }

  NoListener listener_;
  std::unique_ptr<io::Stream> stream_;
};

TEST_F(PooledProcessTest, WhatItDidNotAcceptHasNotBegun) {
  auto process = pool_.make();
  process->take_descriptors().clear();  // it dies
  process->begin("GET /", listener_);
  tasks_.start(connect(*process));
  process->set_ended(true);
  EXPECT_FALSE(process->begun());
  stream_.reset();
  process->finish(true);
  EXPECT_EQ(pool_.over.at(0).second, ProcessUse::kNotBegun);
}

TEST_F(PooledProcessTest, WhatItAcceptedHasBegun) {
  auto process = pool_.make();
  auto theirs = process->take_descriptors();
  process->begin("GET /", listener_);
  tasks_.start(connect(*process));
  const base::FileDescriptor accepted = accept_one(theirs);
  EXPECT_TRUE(accepted.valid());
  process->set_ended(false);
  EXPECT_TRUE(process->begun());
  stream_.reset();
  process->finish(true);
  EXPECT_EQ(pool_.over.at(0).second, ProcessUse::kLost);
}

TEST_F(PooledProcessTest, IsFreeAgainWhenItAcceptsAnotherConnection) {
  auto process = pool_.make();
  auto theirs = process->take_descriptors();
  process->begin("GET /", listener_);
  tasks_.start(connect(*process));
  base::FileDescriptor accepted = accept_one(theirs);
  stream_->shut_down();
  stream_.reset();
  process->finish(true);
  EXPECT_EQ(send(accepted.get(), "x", 1, MSG_NOSIGNAL), -1) << "it hears that nobody reads";
  accepted.reset();
  run_for(std::chrono::milliseconds(5));
  EXPECT_TRUE(pool_.over.empty()) << "it may have something to do behind the end of its connection";
  base::FileDescriptor next = accept_one(theirs);
  char byte;
  EXPECT_EQ(recv(next.get(), &byte, 1, 0), 0) << "it finds no request";
  EXPECT_TRUE(pool_.over.empty());
  next.reset();
  run_for(std::chrono::milliseconds(5));
  EXPECT_EQ(pool_.over, (std::vector<std::pair<uint64_t, ProcessUse>>{{1, ProcessUse::kDone}}));
}

TEST_F(PooledProcessTest, ItsTimeEndsOneThatIsBusyWithWhatNobodyWants) {
  auto process = pool_.make(std::chrono::milliseconds(20));
  auto theirs = process->take_descriptors();
  process->begin("GET /", listener_);
  tasks_.start(connect(*process));
  const base::FileDescriptor accepted = accept_one(theirs);
  stream_.reset();
  process->finish(true);
  run_for(std::chrono::milliseconds(60));
  EXPECT_EQ(pool_.killed, std::vector<uint64_t>{1});
  EXPECT_TRUE(pool_.over.empty()) << "until it has ended";
  process->set_ended(false);
  EXPECT_EQ(pool_.over, (std::vector<std::pair<uint64_t, ProcessUse>>{{1, ProcessUse::kLost}}));
}

TEST_F(PooledProcessTest, AnAnswerThatNobodyTakesKeepsNoPlaceOfADeadProcess) {
  auto process = pool_.make();
  auto theirs = process->take_descriptors();
  process->begin("GET /", listener_);
  tasks_.start(connect(*process));
  const base::FileDescriptor accepted = accept_one(theirs);
  process->hold_time(true);
  process->set_ended(false);
  process->hold_time(false);
  process->hold_time(true);
  EXPECT_TRUE(pool_.over.empty()) << "its last answer may be on its way";
  run_for(std::chrono::milliseconds(1050));
  EXPECT_EQ(pool_.over, (std::vector<std::pair<uint64_t, ProcessUse>>{{1, ProcessUse::kLost}}));
  process->finish(true);
  EXPECT_EQ(pool_.over.size(), 1u);
}

TEST_F(PooledProcessTest, OneThatWaitsForMoreOfTheRequestIsLost) {
  auto process = pool_.make();
  auto theirs = process->take_descriptors();
  process->begin("POST /", listener_);
  tasks_.start(connect(*process));
  const base::FileDescriptor accepted = accept_one(theirs);
  stream_.reset();
  process->finish(false);
  EXPECT_EQ(pool_.over.at(0).second, ProcessUse::kLost);
}

TEST_F(PooledProcessTest, SaysWhatIsSlowOnceAndEndsWhatIsTooLong) {
  auto process = pool_.make(std::chrono::milliseconds(40), std::chrono::milliseconds(10));
  process->begin("GET /page?a=b", listener_);
  run_for(std::chrono::milliseconds(20));
  ASSERT_EQ(pool_.log.lines.size(), 1u);
  EXPECT_TRUE(pool_.log.lines[0].starts_with("CW0715 pool x: GET /page?a=b has been running for 0.0 s in process 1"));
  run_for(std::chrono::milliseconds(60));
  EXPECT_EQ(pool_.log.lines.size(), 1u);
  EXPECT_EQ(listener_.times, 1u);
  EXPECT_EQ(pool_.killed, std::vector<uint64_t>{1});
  EXPECT_TRUE(process->timed_out());
  process->finish(true);
  EXPECT_EQ(pool_.over.at(0).second, ProcessUse::kLost);
}

TEST_F(PooledProcessTest, TimeStandsStillWhileItIsHeld) {
  auto process = pool_.make(std::chrono::milliseconds(30));
  process->begin("GET /", listener_);
  process->hold_time(true);
  run_for(std::chrono::milliseconds(60));
  EXPECT_EQ(listener_.times, 0u);
  process->hold_time(false);
  run_for(std::chrono::milliseconds(60));
  EXPECT_EQ(listener_.times, 1u);
}

TEST_F(PooledProcessTest, ItsErrorStreamGoesToTheLog) {
  auto process = pool_.make();
  auto theirs = process->take_descriptors();
  ASSERT_EQ(write(theirs.at(1).get(), "one\ntwo\r\nthree", 14), 14);
  run_for(std::chrono::milliseconds(1));
  theirs.clear();
  process->set_ended(true);
  process.reset();
  EXPECT_EQ(pool_.log.lines, (std::vector<std::string>{"CW0717 pool x: process 1: one", "CW0717 pool x: process 1: two",
                                                       "CW0717 pool x: process 1: three"}));
}

TEST_F(PooledProcessTest, AllThatItSaidLastIsReadAndNotWhatOthersGoOnSaying) {
  auto process = pool_.make();
  auto theirs = process->take_descriptors();
  const std::string line = std::string(999, 'x') + "\n";
  for (int count = 0; count < 60; ++count) ASSERT_EQ(write(theirs.at(1).get(), line.data(), line.size()), 1000);
  ASSERT_EQ(write(theirs.at(1).get(), "last", 4), 4);
  process->set_ended(false);
  process.reset();
  EXPECT_EQ(pool_.log.lines.size(), 61u);
  EXPECT_EQ(pool_.log.lines.back(), "CW0717 pool x: process 1: last");
}

TEST_F(PooledProcessTest, WhatIsDroppedOfItsErrorStreamIsSaid) {
  auto process = pool_.make();
  auto theirs = process->take_descriptors();
  const int end = theirs.at(1).get();
  ASSERT_EQ(fcntl(end, F_SETPIPE_SZ, 1024 * 1024), 1024 * 1024);
  const std::string piece(4096, 'y');
  for (int count = 0; count < 74; ++count) ASSERT_EQ(write(end, piece.data(), piece.size()), 4096);
  process->set_ended(false);
  EXPECT_EQ(pool_.log.lines.back(), "CW0717 pool x: process 1:  [and 40960 bytes more, dropped]");
}

}  // namespace
}  // namespace cutwater::handler
