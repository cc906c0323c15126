#include "supervise/process_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <vector>

namespace cutwater::supervise {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

// The owner, which notes what it is asked for, and a clock.
class ProcessPoolTest : public testing::Test, private ProcessPool::Owner {
 protected:
  ProcessPool& make(ProcessPoolOptions options) {
    pool_ = std::make_unique<ProcessPool>(options, static_cast<ProcessPool::Owner&>(*this), 1u);
    pool_->open(now_);
    return *pool_;
  }
  // All that were asked for are there.
  void start_all() {
    for (uint64_t id : std::exchange(started_, {})) pool_->on_started(id, now_);
  }
  EndKind die(uint64_t id, int code = 0, int signal = 0) {
    ExitStatus status;
    status.code = code;
    status.signal = signal;
    return pool_->on_ended(id, status, now_);
  }
  void wait(base::Duration time) {
    now_ = now_ + time;
    pool_->tick(now_);
  }

  std::vector<uint64_t> started_;
  std::vector<std::pair<uint64_t, EndReason>> ended_;
  base::Instant now_ = base::Instant{} + seconds(1000);
  std::unique_ptr<ProcessPool> pool_;

 private:
  void start_process(uint64_t id) override { started_.push_back(id); }
  void end_process(uint64_t id, EndReason reason) override { ended_.emplace_back(id, reason); }
};

ProcessPoolOptions on_demand(unsigned max) {
  ProcessPoolOptions options;
  options.max = max;
  return options;
}

ProcessPoolOptions always(unsigned count) {
  ProcessPoolOptions options;
  options.min = options.max = count;
  return options;
}

TEST_F(ProcessPoolTest, OnDemandThereIsNoneUntilSomebodyWaits) {
  ProcessPool& pool = make(on_demand(2));
  EXPECT_THAT(started_, IsEmpty());
  EXPECT_EQ(pool.next(), base::kNever);
  pool.set_waiting(1, now_);
  EXPECT_THAT(started_, ElementsAre(1));
  pool.set_waiting(2, now_);
  EXPECT_THAT(started_, ElementsAre(1, 2));
  pool.set_waiting(9, now_);
  EXPECT_THAT(started_, ElementsAre(1, 2)) << "max";
}

TEST_F(ProcessPoolTest, OneThatStartsIsForOneThatWaits) {
  ProcessPool& pool = make(on_demand(4));
  pool.set_waiting(1, now_);
  pool.set_waiting(1, now_);
  EXPECT_EQ(started_.size(), 1u);
  EXPECT_EQ(pool.take(), std::nullopt) << "it is not there yet";
  start_all();
  EXPECT_EQ(pool.take(), 1u);
  EXPECT_EQ(pool.take(), std::nullopt);
}

TEST_F(ProcessPoolTest, AFixedNumberIsThereFromTheBeginningAndStays) {
  make(always(3));
  EXPECT_THAT(started_, ElementsAre(1, 2, 3));
  start_all();
  wait(seconds(100'000));
  EXPECT_THAT(ended_, IsEmpty());
  EXPECT_EQ(die(2), EndKind::kByItself) << "long idle";
  EXPECT_THAT(started_, ElementsAre(4));
}

TEST_F(ProcessPoolTest, SpareOnesAreKeptReady) {
  ProcessPoolOptions options = on_demand(4);
  options.spare = 2;
  ProcessPool& pool = make(options);
  EXPECT_EQ(started_.size(), 2u);
  start_all();
  pool.take();
  wait({});
  EXPECT_EQ(started_.size(), 1u);
  start_all();
  pool.take();
  pool.take();
  wait({});
  EXPECT_EQ(pool.size(), 4u) << "no more than max";
}

TEST_F(ProcessPoolTest, TheOneUsedLastIsUsedNext) {
  ProcessPool& pool = make(always(3));
  start_all();
  const auto first = pool.take();
  const auto second = pool.take();
  wait(seconds(1));
  pool.release(*second, now_);
  wait(seconds(1));
  pool.release(*first, now_);
  EXPECT_EQ(pool.take(), first);
  EXPECT_EQ(pool.take(), second);
}

TEST_F(ProcessPoolTest, IdleOnesEndButForMinAndSpare) {
  ProcessPoolOptions options = on_demand(4);
  options.min = 1;
  ProcessPool& pool = make(options);
  pool.set_waiting(3, now_);
  start_all();
  pool.set_waiting(0, now_);
  for (int i = 0; i < 3; ++i) pool.take();
  pool.release(1, now_);
  wait(seconds(10));
  pool.release(2, now_);
  wait(seconds(10));
  pool.release(3, now_);
  EXPECT_EQ(pool.next(), now_ + seconds(40));
  wait(seconds(40));
  EXPECT_THAT(ended_, ElementsAre(std::pair(1, EndReason::kIdle)));
  EXPECT_EQ(die(1), EndKind::kAsked);
  wait(seconds(1000));
  EXPECT_THAT(ended_, ElementsAre(std::pair(1, EndReason::kIdle), std::pair(2, EndReason::kIdle)));
  EXPECT_EQ(die(2), EndKind::kAsked);
  EXPECT_EQ(pool.next(), base::kNever);
  EXPECT_EQ(pool.size(), 1u);
}

TEST_F(ProcessPoolTest, OneThatIsWornIsReplaced) {
  ProcessPoolOptions options = always(1);
  options.max_works = 100;
  ProcessPool& pool = make(options);
  start_all();
  unsigned works = 0;
  while (ended_.empty()) {
    ASSERT_TRUE(pool.take());
    pool.release(1, now_);
    ++works;
  }
  EXPECT_LE(works, 100u);
  EXPECT_GE(works, 90u);
  EXPECT_THAT(ended_, ElementsAre(std::pair(1, EndReason::kWorn)));
  EXPECT_EQ(pool.take(), std::nullopt);
  EXPECT_THAT(started_, IsEmpty()) << "never more than max";
  EXPECT_EQ(die(1, 0, SIGTERM), EndKind::kAsked);
  EXPECT_THAT(started_, ElementsAre(2));
}

TEST_F(ProcessPoolTest, WornOnesDoNotAllEndAtOnce) {
  ProcessPoolOptions options = always(8);
  options.max_works = 1000;
  ProcessPool& pool = make(options);
  start_all();
  std::set<unsigned> ends;
  for (unsigned work = 1; work <= 1000; ++work) {
    std::vector<uint64_t> taken;
    while (const auto id = pool.take()) taken.push_back(*id);
    for (uint64_t id : taken) pool.release(id, now_);
    if (ended_.size() > ends.size()) ends.insert(work);
  }
  EXPECT_EQ(ended_.size(), 8u);
  EXPECT_GT(ends.size(), 4u);
}

TEST_F(ProcessPoolTest, DeathAtWorkMakesNobodyWait) {
  ProcessPool& pool = make(always(1));
  for (uint64_t id = 1; id <= 50; ++id) {
    start_all();
    ASSERT_EQ(pool.take(), id);
    EXPECT_EQ(die(id, 0, SIGSEGV), EndKind::kAtWork);
    EXPECT_THAT(started_, ElementsAre(id + 1));
    EXPECT_FALSE(pool.paused(now_));
  }
}

TEST_F(ProcessPoolTest, StartsThatFailComeAfterGrowingPauses) {
  ProcessPool& pool = make(on_demand(4));
  pool.set_waiting(1, now_);
  std::vector<base::Duration> pauses;
  for (uint64_t id = 1; id <= 12; ++id) {
    ASSERT_THAT(started_, ElementsAre(id));
    start_all();
    wait(milliseconds(300));  // however long it took to fail
    EXPECT_EQ(die(id, 1), EndKind::kNeverWorked);
    pauses.push_back(pool.paused_until() - now_);
    EXPECT_EQ(pool.paused(now_), pauses.back() > base::Duration::zero());
    EXPECT_EQ(pool.next(), pauses.back() > base::Duration::zero() ? pool.paused_until() : pool.next());
    wait(pauses.back());
  }
  EXPECT_THAT(pauses, ElementsAre(milliseconds(0), milliseconds(100), milliseconds(200), milliseconds(400),
                                  milliseconds(800), milliseconds(1600), milliseconds(3200), milliseconds(6400),
                                  milliseconds(12800), milliseconds(25600), seconds(30), seconds(30)));
}

TEST_F(ProcessPoolTest, SeveralThatFailTogetherAreOneFailure) {
  ProcessPool& pool = make(always(8));
  start_all();
  for (uint64_t id = 1; id <= 8; ++id) EXPECT_EQ(die(id, 1), EndKind::kNeverWorked);
  EXPECT_THAT(started_, ElementsAre(9)) << "one to find out, and at once the first time";
  start_all();
  die(9, 1);
  EXPECT_TRUE(pool.paused(now_));
  EXPECT_EQ(pool.paused_until(), now_ + milliseconds(100));
  wait(milliseconds(100));
  EXPECT_THAT(started_, ElementsAre(10));
}

TEST_F(ProcessPoolTest, WhoWorksEndsTheSuspicion) {
  ProcessPool& pool = make(always(3));
  start_all();
  for (uint64_t id = 1; id <= 3; ++id) die(id, 1);
  EXPECT_TRUE(pool.failing());
  start_all();
  pool.take();
  pool.release(4, now_);
  EXPECT_FALSE(pool.failing());
  pool.tick(now_);
  EXPECT_EQ(started_.size(), 2u);
}

TEST_F(ProcessPoolTest, WorkForgetsThePausesButOnlyOfOneThatWasStartedSince) {
  ProcessPool& pool = make(on_demand(2));
  pool.set_waiting(1, now_);
  start_all();
  ASSERT_EQ(pool.take(), 1u);
  for (uint64_t id = 2; id <= 6; ++id) {
    wait(seconds(10));
    ASSERT_THAT(started_, ElementsAre(id));
    start_all();
    die(id, 1);
  }
  EXPECT_EQ(pool.paused_until(), now_ + milliseconds(800));
  pool.release(1, now_);
  ASSERT_EQ(pool.take(), 1u);
  pool.release(1, now_);
  EXPECT_TRUE(pool.failing()) << "it is older than the failures";
  EXPECT_EQ(pool.paused_until(), now_ + milliseconds(800));
  ASSERT_EQ(pool.take(), 1u);
  wait(seconds(10));
  start_all();
  ASSERT_EQ(pool.take(), 7u);
  pool.release(7, now_);
  EXPECT_FALSE(pool.failing());
  die(7, 1);
  pool.set_waiting(2, now_);
  ASSERT_THAT(started_, ElementsAre(8));
  start_all();
  die(8, 1);
  EXPECT_THAT(started_, ElementsAre(9)) << "at once, as the first time";
  start_all();
  die(9, 1);
  EXPECT_EQ(pool.paused_until(), now_ + milliseconds(100));
}

TEST_F(ProcessPoolTest, RenewedTheyMakeWayBehindTheirWork) {
  ProcessPoolOptions options = on_demand(4);
  options.min = 4;
  ProcessPool& pool = make(options);
  for (uint64_t id = 1; id <= 3; ++id) pool.on_started(id, now_);
  const auto worker = pool.take();
  const auto unlucky = pool.take();
  ASSERT_EQ(std::set({*worker, *unlucky}), (std::set<uint64_t>{2, 3}));
  started_.clear();
  pool.renew(now_);
  EXPECT_THAT(ended_, ElementsAre(std::pair(1, EndReason::kOutdated)));
  EXPECT_EQ(die(1), EndKind::kAsked);
  EXPECT_THAT(started_, ElementsAre(5));
  pool.release(*worker, now_);
  pool.take_back(*unlucky, now_);
  pool.on_started(4, now_);
  EXPECT_THAT(ended_, ElementsAre(std::pair(1, EndReason::kOutdated), std::pair(*worker, EndReason::kOutdated),
                                  std::pair(*unlucky, EndReason::kOutdated), std::pair(4, EndReason::kOutdated)));
  pool.on_started(5, now_);
  EXPECT_EQ(pool.take(), 5u);
  pool.release(5, now_);
  EXPECT_EQ(ended_.size(), 4u) << "it is a new one";
}

TEST_F(ProcessPoolTest, RenewedItTriesAgainAtOnce) {
  ProcessPool& pool = make(on_demand(1));
  pool.set_waiting(1, now_);
  pool.on_refused(1, now_);
  pool.on_refused(2, now_);
  EXPECT_TRUE(pool.paused(now_));
  pool.renew(now_);
  EXPECT_FALSE(pool.paused(now_));
  EXPECT_THAT(started_, ElementsAre(1, 2, 3));
}

TEST_F(ProcessPoolTest, RefusedStartsCountAsFailures) {
  ProcessPool& pool = make(on_demand(1));
  pool.set_waiting(1, now_);
  pool.on_refused(1, now_);
  pool.on_refused(2, now_);
  EXPECT_TRUE(pool.paused(now_));
  EXPECT_THAT(started_, ElementsAre(1, 2));
}

TEST_F(ProcessPoolTest, WhileAnyLivesNobodyIsRefused) {
  ProcessPool& pool = make(always(2));
  start_all();
  ASSERT_EQ(pool.take(), 2u);
  EXPECT_EQ(die(1, 1), EndKind::kNeverWorked);
  EXPECT_FALSE(pool.paused(now_)) << "the other one may be free in time";
  EXPECT_THAT(started_, IsEmpty());
  EXPECT_EQ(pool.next(), now_ + seconds(5));
  wait(seconds(5));
  EXPECT_THAT(started_, ElementsAre(3)) << "it has lived for long enough, though it still works";
}

TEST_F(ProcessPoolTest, WhatHadNothingIsNoWork) {
  ProcessPool& pool = make(on_demand(1));
  pool.set_waiting(1, now_);
  start_all();
  pool.take();
  pool.take_back(1, now_);
  EXPECT_EQ(die(1), EndKind::kNeverWorked) << "it ended before it took what it was given";
}

TEST_F(ProcessPoolTest, AnEndBetweenWorksIsNoFault) {
  ProcessPool& pool = make(always(1));
  start_all();
  pool.take();
  pool.release(1, now_);
  EXPECT_EQ(die(1, 0), EndKind::kByItself);
  start_all();
  pool.take();
  pool.release(2, now_);
  EXPECT_EQ(die(2, 0, SIGKILL), EndKind::kUnprovoked);
  EXPECT_THAT(started_, ElementsAre(3));
}

TEST_F(ProcessPoolTest, OneThatIsGivenUpEndsAndIsReplaced) {
  ProcessPool& pool = make(always(1));
  start_all();
  pool.take();
  pool.give_up(1);
  pool.give_up(1);
  EXPECT_THAT(ended_, ElementsAre(std::pair(1, EndReason::kFailed)));
  pool.release(1, now_);  // comes late
  EXPECT_EQ(pool.take(), std::nullopt);
  EXPECT_EQ(die(1, 0, SIGKILL), EndKind::kAsked);
  EXPECT_THAT(started_, ElementsAre(2));
}

TEST_F(ProcessPoolTest, ClosedItForgetsWhatItHad) {
  ProcessPool& pool = make(always(2));
  start_all();
  pool.take();
  pool.close();
  EXPECT_EQ(pool.size(), 0u);
  pool.set_waiting(3, now_);
  EXPECT_THAT(started_, IsEmpty());
  pool.release(1, now_);  // from before
  pool.open(now_);
  EXPECT_THAT(started_, ElementsAre(3, 4));
}

}  // namespace
}  // namespace cutwater::supervise
