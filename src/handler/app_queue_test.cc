// Who waits for a worker, for how long and in which order; what becomes of those who wait when workers die and
// generations come and go.
#include "handler/app_test_support.h"

namespace cutwater::handler {
namespace {

using AppQueueTest = AppTest;

TEST_F(AppQueueTest, WithoutAGenerationItIs503) {
  auto& early = get();
  EXPECT_TRUE(early.done);
  EXPECT_EQ(early.writer.status(), 503);
  EXPECT_EQ(early.writer.header("Retry-After"), "2");
  add_generation(1);
  EXPECT_EQ(get().writer.status(), 503);  // not before the swap
}

TEST_F(AppQueueTest, RequestsWaitForTheFirstGeneration) {
  app_.expect_generation({2, std::chrono::seconds(10)});
  auto& early = get("/early");
  auto& second = get("/second");
  EXPECT_EQ(get("/third").writer.status(), 503);
  runner_.turns(std::chrono::milliseconds(150));
  EXPECT_FALSE(early.done);
  auto& worker = start_one_worker();
  for (TestExchange* exchange : {&early, &second}) {
    auto claimed = claim(worker);
    EXPECT_EQ(path_of(claimed), exchange->request.path);
    answer(worker, claimed, "hello");
    until_done(*exchange);
    EXPECT_EQ(exchange->writer.status(), 200);
  }
}

TEST_F(AppQueueTest, NobodyWaitsForAGenerationThatFailed) {
  app_.expect_generation({100, std::chrono::seconds(10)});
  auto& early = get();
  app_.set_failed();
  until_done(early);
  EXPECT_EQ(early.writer.status(), 503);
  EXPECT_EQ(get().writer.status(), 503);
}

TEST_F(AppQueueTest, BeyondTheSlotsRequestsWaitInOrder) {
  auto& worker = start_one_worker();
  std::vector<TestExchange*> asked;
  for (int i = 0; i < 7; ++i) asked.push_back(&get("/" + std::to_string(i)));  // 4 slots
  for (int i = 0; i < 7; ++i) {
    auto claimed = claim(worker);
    EXPECT_EQ(path_of(claimed), asked[static_cast<size_t>(i)]->request.path);
    answer(worker, claimed, "x");
    until_done(*asked[static_cast<size_t>(i)]);
  }
}

// At once, and in a line that has waited for the first worker: it must not be held up for ever.
TEST_F(AppQueueTest, WhatNeverFitsIs431) {
  const std::string long_path = "/" + std::string(200'000, 'x');
  app_.expect_generation({100, std::chrono::seconds(10)});
  auto& early = get(long_path);
  auto& last = get("/last");
  EXPECT_FALSE(early.done);
  auto& worker = start_one_worker();
  answer(worker, claim(worker), "x");
  until_done(last);
  EXPECT_EQ(early.writer.status(), 431);
  EXPECT_EQ(get(long_path).writer.status(), 431);
  ASSERT_FALSE(log_.lines.empty());
  EXPECT_TRUE(log_.lines[0].starts_with("CW0519")) << log_.lines[0];
}

TEST_F(AppQueueTest, OverTheQueueIs503AtOnce) {
  options_.queue = 5;
  start_one_worker();
  for (int i = 0; i < 6; ++i) EXPECT_FALSE(get().done);  // one for the idle worker
  auto& refused = get();
  EXPECT_TRUE(refused.done);
  EXPECT_EQ(refused.writer.status(), 503);
  EXPECT_EQ(refused.writer.header("Retry-After"), "2");
  ASSERT_FALSE(log_.lines.empty());
  EXPECT_TRUE(log_.lines[0].starts_with("CW0511"));
}

TEST_F(AppQueueTest, AWorkerMayRunSeveralRequests) {
  options_.queue = 2;
  options_.requests_per_worker = 4;
  start_one_worker();
  for (int i = 0; i < 6; ++i) EXPECT_FALSE(get().done);
  EXPECT_EQ(get().writer.status(), 503);
}

// Woken for each answer while enough others wait: then its worker may have the processor.
TEST_F(AppQueueTest, ASaturatedFrontIsPatient) {
  auto& worker = start_one_worker();
  for (int i = 0; i < 12; ++i) get("/" + std::to_string(i));
  auto answer_next = [&] {
    auto claimed = claim(worker);
    answer(worker, claimed, "x");
    until_done(*exchanges_[answered_++]);
    runner_.turns(std::chrono::milliseconds(1));
  };
  EXPECT_FALSE(loop_.patient());
  answer_next();
  answer_next();
  EXPECT_TRUE(loop_.patient());
  while (answered_ < 12) answer_next();
  runner_.turns(std::chrono::milliseconds(30));
  EXPECT_FALSE(loop_.patient());
}

TEST_F(AppQueueTest, WaitingTooLongIs503) {
  options_.queue_timeout = std::chrono::milliseconds(150);
  auto& worker = start_one_worker();
  for (int i = 0; i < 6; ++i) get();
  for (auto& exchange : exchanges_) until_done(*exchange);
  for (auto& exchange : exchanges_) EXPECT_EQ(exchange->writer.status(), 503);
  ASSERT_EQ(log_.lines.size(), 1u);
  EXPECT_TRUE(log_.lines[0].starts_with("CW0511")) << log_.lines[0];
  EXPECT_NE(log_.lines[0].find("a request waited queue_timeout = 0.15 s"), std::string::npos) << log_.lines[0];
  link::Claim claimed;
  EXPECT_FALSE(worker.claim(claimed));
}

TEST_F(AppQueueTest, AClientThatLeavesTheQueueCostsNothing) {
  auto& worker = start_one_worker();
  auto& leaver = get("/left");
  auto& stays = get("/stays");
  leaver.leave();
  until_done(leaver);
  EXPECT_FALSE(leaver.writer.head_sent());
  auto claimed = claim(worker);
  EXPECT_EQ(path_of(claimed), "/stays");
  answer(worker, claimed, "x");
  until_done(stays);
}

TEST_F(AppQueueTest, ADeadWorkerLosesOnlyWhatItRan) {
  auto& worker = start_one_worker();
  auto& running = get("/running");
  auto& begun = get("/begun");
  auto& queued = get("/queued");
  claim(worker);
  auto second = claim(worker);
  worker.send_response(second, plain(100), "part", 0);
  worker.wake_fronts();
  runner_.until([&] { return begun.writer.head_sent(); });
  generations_[0]->processes[0]->kill();
  until_done(running);
  until_done(begun);
  EXPECT_EQ(running.writer.status(), 502);
  EXPECT_TRUE(begun.writer.aborted);
  EXPECT_FALSE(queued.done);
  EXPECT_TRUE(noted("free 1/0"));
  auto& other = add_worker(*generations_[0], 1);
  answer(other, claim(other), "alive");
  until_done(queued);
  EXPECT_EQ(queued.writer.content, "alive");
}

TEST_F(AppQueueTest, QueuedRequestsMoveToTheNewGeneration) {
  auto& old_worker = start_one_worker();
  auto& running = get("/running");
  auto claimed = claim(old_worker);
  std::vector<TestExchange*> queued;
  for (int i = 0; i < 6; ++i) queued.push_back(&get("/" + std::to_string(i)));
  auto& next = add_generation(2);
  auto& new_worker = add_worker(next, 0);
  app_.swap_to(2);
  link::Claim none;
  EXPECT_FALSE(old_worker.claim(none));
  for (TestExchange* exchange : queued) {
    auto taken = claim(new_worker);
    EXPECT_EQ(path_of(taken), exchange->request.path);
    answer(new_worker, taken, "new");
    until_done(*exchange);
  }
  EXPECT_FALSE(noted("drained 1"));
  answer(old_worker, claimed, "old");
  until_done(running);
  EXPECT_EQ(running.writer.content, "old");
  runner_.until([&] { return noted("drained 1"); });
  app_.drop_generation(1);
  EXPECT_EQ(app_.current()->options().number, 2u);
}

TEST_F(AppQueueTest, DroppingAGenerationEndsWhatItRan) {
  auto& worker = start_one_worker();
  auto& running = get();
  claim(worker);
  app_.drop_generation(1);
  until_done(running);
  EXPECT_EQ(running.writer.status(), 502);
  EXPECT_EQ(get().writer.status(), 503);
}

TEST_F(AppQueueTest, NobodyWaitsWhereCodeDoesNotStart) {
  auto& worker = start_one_worker();
  auto& running = get("/running");
  claim(worker);
  auto& queued = get("/queued");
  generations_[0]->processes[0]->kill();
  until_done(running);
  app_.pause(1, std::chrono::milliseconds(100), /*refuse=*/true);
  until_done(queued);
  EXPECT_EQ(queued.writer.status(), 503);
  runner_.turns(std::chrono::milliseconds(150));
  auto& late = get("/late");  // the pause is over, but nothing is known of a worker
  until_done(late);
  EXPECT_EQ(late.writer.status(), 503);
  auto& other = add_worker(*generations_[0], 1);
  auto& served = get("/served");
  answer(other, claim(other), "alive");
  until_done(served);
  EXPECT_EQ(served.writer.content, "alive");
}

TEST_F(AppQueueTest, WhoWouldWaitInVainIsRefusedAtOnce) {
  options_.queue_timeout = std::chrono::seconds(5);
  auto& worker = start_one_worker();
  auto& running = get("/running");
  auto claimed = claim(worker);
  auto& queued = get("/queued");
  generations_[0]->processes[0]->kill();
  until_done(running);
  app_.pause(1, std::chrono::seconds(3));
  runner_.turns(std::chrono::milliseconds(250));
  EXPECT_FALSE(queued.done);  // the next worker comes in time
  app_.pause(1, std::chrono::seconds(20));
  until_done(queued);
  EXPECT_EQ(queued.writer.status(), 503);
  auto& late = get("/late");
  until_done(late);
  EXPECT_EQ(late.writer.status(), 503);
  EXPECT_EQ(late.writer.header("Retry-After"), "20");
  auto& other = add_worker(*generations_[0], 1);
  auto& served = get("/served");
  answer(other, claim(other), "alive");
  until_done(served);
  EXPECT_EQ(served.writer.content, "alive");
}

TEST_F(AppQueueTest, AWorkerOfAnUnknownGenerationIsAnsweredFor) {
  app_.attach_worker(9, 3, {});
  EXPECT_TRUE(noted("free 9/3"));
}

TEST_F(AppQueueTest, CancelledExchangesLeaveNothingBehind) {
  auto& worker = start_one_worker();
  for (int i = 0; i < 6; ++i) get();
  claim(worker);
  runner_.turns(std::chrono::milliseconds(5));
  exchanges_.clear();
  runner_.turns(std::chrono::milliseconds(150));
  auto& next = get("/next");
  auto claimed = claim(worker);
  EXPECT_EQ(path_of(claimed), "/next");
  answer(worker, claimed, "x");
  until_done(next);
}

TEST_F(AppQueueTest, ManyRequestsReuseTheSlots) {
  auto& worker = start_one_worker();
  for (int i = 0; i < 2000; ++i) {
    TestExchange exchange("GET", "/");
    exchange.start(app_);
    app_.end_of_turn();
    link::Claim claimed;
    ASSERT_TRUE(worker.claim(claimed));
    answer(worker, claimed, "hello");
    app_.end_of_turn();
    ASSERT_TRUE(exchange.done);
  }
}

}  // namespace
}  // namespace cutwater::handler
