// Who wakes whom, and when nobody is woken.
#include <poll.h>

#include "link/link_test_support.h"
#include "link/segment_map.h"
#include "link/wake_delay.h"
#include "link/worker_front.h"

namespace cutwater::link {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

class WakeTest : public testing::Test {
 protected:
  WakeTest() { settle(); }
  void settle() {
    front_->wake_workers();
    for (uint32_t lane = 0; lane < 3; ++lane) take_count(world_.lane_wake(lane));
  }
  Ticket submit() {
    message::Request request = hello_request();
    return front_->submit(request, {}, "").value();
  }
  uint64_t woken(uint32_t lane) { return take_count(world_.lane_wake(lane)); }

  World world_;
  NotingReceiver receiver_;
  std::unique_ptr<FrontLink> front_ = world_.front(receiver_);
  std::unique_ptr<WorkerLink> workers_[3] = {world_.worker(0, {front_.get()}), world_.worker(1, {front_.get()}),
                                             world_.worker(2, {front_.get()})};
};

TEST_F(WakeTest, NobodyIsWokenWhoDoesNotSleep) {
  submit();
  front_->wake_workers();
  for (uint32_t lane = 0; lane < 3; ++lane) EXPECT_EQ(woken(lane), 0u);
}

TEST_F(WakeTest, OneWakePerQueuedRequestLowestLaneFirst) {
  for (auto& worker : workers_) ASSERT_TRUE(worker->prepare_to_sleep());
  submit();
  submit();
  EXPECT_EQ(woken(0), 0u);  // only at the end of the turn
  front_->wake_workers();
  EXPECT_EQ(woken(0), 1u);
  EXPECT_EQ(woken(1), 1u);
  EXPECT_EQ(woken(2), 0u);
  front_->wake_workers();
  EXPECT_EQ(woken(2), 0u);
}

TEST_F(WakeTest, NoWakeForWhatWasTakenMeanwhile) {
  for (auto& worker : workers_) ASSERT_TRUE(worker->prepare_to_sleep());
  submit();
  Ticket second = submit();
  workers_[0]->awake();
  Claim claim;
  ASSERT_TRUE(workers_[0]->claim(claim));
  EXPECT_TRUE(front_->take_back(second));
  front_->wake_workers();
  EXPECT_EQ(woken(1), 0u);
  EXPECT_EQ(woken(2), 0u);
}

TEST_F(WakeTest, AnnouncingSleepSeesWhatIsQueued) {
  submit();
  EXPECT_FALSE(workers_[0]->prepare_to_sleep());
  workers_[0]->awake();
  Claim claim;
  ASSERT_TRUE(workers_[0]->claim(claim));
  EXPECT_TRUE(workers_[0]->prepare_to_sleep());
}

TEST_F(WakeTest, AwakeClearsTheEventfdEvenOfAnUnaskedWake) {
  ASSERT_TRUE(workers_[0]->prepare_to_sleep());
  uint64_t one = 1;
  ASSERT_EQ(write(world_.lane_wake(0), &one, sizeof one), static_cast<ssize_t>(sizeof one));
  workers_[0]->awake();
  EXPECT_EQ(woken(0), 0u);
}

TEST_F(WakeTest, AWaiterIsWokenByFramesOnly) {
  Ticket ticket = submit();
  Claim claim;
  ASSERT_TRUE(workers_[0]->claim(claim));
  ASSERT_TRUE(workers_[0]->prepare_to_wait());
  submit();
  front_->wake_workers();
  EXPECT_EQ(woken(0), 0u);
  front_->send_down(0, DownKind::kCredit, ticket, 100, "");
  EXPECT_EQ(woken(0), 0u);
  front_->wake_workers();
  EXPECT_EQ(woken(0), 1u);
  workers_[0]->awake();
  EXPECT_FALSE(workers_[0]->prepare_to_wait());  // the frame is still there
  EXPECT_TRUE(workers_[0]->receive());
  EXPECT_FALSE(workers_[0]->receive());
  EXPECT_TRUE(workers_[0]->prepare_to_wait());
}

TEST_F(WakeTest, AnIdleWorkerIsNotWokenWhenItsAnswerIsTaken) {
  submit();
  Claim claim;
  ASSERT_TRUE(workers_[0]->claim(claim));
  workers_[0]->send_response(claim, hello_response(), "", 0);
  ASSERT_TRUE(workers_[0]->prepare_to_sleep());
  while (front_->drain()) {
  }
  front_->wake_workers();
  EXPECT_TRUE(front_->prepare_to_sleep());
  EXPECT_EQ(woken(0), 0u);
}

TEST_F(WakeTest, AWorkerThatWasRefusedRoomIsWokenWhenThereIsSome) {
  submit();
  Claim claim;
  ASSERT_TRUE(workers_[0]->claim(claim));
  const std::string piece(4096, 'x');
  ASSERT_EQ(workers_[0]->send_response(claim, hello_response(), "", 0).status, SendResult::kSent);
  SendResult sent{.status = SendResult::kSent};
  while (sent.status == SendResult::kSent) sent = workers_[0]->send_body(claim, piece, 0);
  ASSERT_EQ(sent.status, SendResult::kFull);
  ASSERT_TRUE(workers_[0]->prepare_to_wait());
  while (front_->drain()) {
  }
  front_->wake_workers();
  EXPECT_EQ(woken(0), 1u);
  workers_[0]->awake();
  EXPECT_EQ(workers_[0]->send_body(claim, piece, 0).status, SendResult::kSent);
}

TEST_F(WakeTest, RetiringLaneIsWokenOnceAndNeverForRequests) {
  ASSERT_TRUE(workers_[0]->prepare_to_sleep());
  front_->retire_lane(0);
  EXPECT_EQ(woken(0), 1u);
  submit();
  front_->wake_workers();
  // At most for its frame, never taking the wake-up of the request from another.
  woken(0);
  ASSERT_FALSE(workers_[1]->prepare_to_sleep());
}

TEST_F(WakeTest, FrontIsWokenOnlyWhileItSleeps) {
  submit();
  Claim claim;
  ASSERT_TRUE(workers_[0]->claim(claim));
  workers_[0]->send_response(claim, hello_response(), "", 0);
  workers_[0]->wake_fronts();
  EXPECT_EQ(take_count(world_.front_wake(0)), 0u);
  EXPECT_FALSE(front_->prepare_to_sleep());  // the frame is waiting
  front_->drain();
  EXPECT_TRUE(front_->prepare_to_sleep());
  workers_[0]->send_body(claim, "x", 0);
  workers_[0]->wake_fronts();
  workers_[0]->send_body(claim, "y", 0);
  workers_[0]->wake_fronts();  // woken already
  EXPECT_EQ(take_count(world_.front_wake(0)), 1u);
  front_->awake();
}

TEST_F(WakeTest, RoomInTheDownRingIsTold) {
  Ticket ticket = submit();
  Claim claim;
  ASSERT_TRUE(workers_[0]->claim(claim));
  std::string piece(front_->maximum_down_payload(), 'x');
  EXPECT_FALSE(front_->send_down(0, DownKind::kBodyPiece, ticket, 0, piece + "x"));
  while (front_->send_down(0, DownKind::kBodyPiece, ticket, 0, piece)) {
  }
  // What carries nothing is kept and comes in order; credit of one request adds up.
  EXPECT_TRUE(front_->send_down(0, DownKind::kBodyEnd, ticket, 0, ""));
  EXPECT_TRUE(front_->send_down(0, DownKind::kCredit, ticket, 3, ""));
  EXPECT_TRUE(front_->send_down(0, DownKind::kCredit, ticket, 4, ""));
  EXPECT_FALSE(front_->send_down(0, DownKind::kBodyPiece, ticket, 0, "late"));
  front_->drain();
  EXPECT_TRUE(receiver_.rooms.empty());
  std::vector<std::pair<DownKind, uint32_t>> seen;
  auto receive_all = [&] {
    while (auto frame = workers_[0]->receive())
      if (frame->payload.empty()) seen.emplace_back(static_cast<DownKind>(frame->header.kind), frame->header.value);
  };
  receive_all();
  EXPECT_GE(take_count(world_.front_wake(0)), 1u);
  front_->drain();
  EXPECT_EQ(receiver_.rooms, std::vector<uint32_t>{0});
  EXPECT_TRUE(front_->send_down(0, DownKind::kBodyPiece, ticket, 0, "late"));
  receive_all();
  EXPECT_EQ(seen, (std::vector<std::pair<DownKind, uint32_t>>{{DownKind::kBodyEnd, 0}, {DownKind::kCredit, 7}}));
  front_->drain();
  EXPECT_EQ(receiver_.rooms.size(), 1u);
}

TEST_F(WakeTest, TickMendsACorruptedIdleMask) {
  for (auto& worker : workers_) ASSERT_TRUE(worker->prepare_to_sleep());
  SegmentMap(world_.segment()).sleep_board().idle.value = 0;
  submit();
  front_->wake_workers();
  EXPECT_EQ(woken(0) + woken(1) + woken(2), 0u);
  front_->tick();
  front_->tick();
  EXPECT_GE(woken(0), 1u);
}

TEST_F(WakeTest, TickWakesAnotherWhenTheWokenOneIsStuck) {
  for (auto& worker : workers_) ASSERT_TRUE(worker->prepare_to_sleep());
  submit();
  front_->wake_workers();
  EXPECT_EQ(woken(0), 1u);  // and does not run: stopped
  front_->tick();
  EXPECT_EQ(woken(1), 1u);
}

TEST_F(WakeTest, LaneAttachedLateIsWokenForWhatWaits) {
  World world;
  NotingReceiver receiver;
  auto front = world.front(receiver);
  auto worker = world.worker(1, {});
  ASSERT_TRUE(worker->prepare_to_sleep());
  message::Request request = hello_request();
  ASSERT_TRUE(front->submit(request, {}, ""));
  front->wake_workers();
  EXPECT_EQ(take_count(world.lane_wake(1)), 0u);
  front->attach_lane(1, base::FileDescriptor(dup(world.lane_wake(1))), {});
  EXPECT_EQ(take_count(world.lane_wake(1)), 1u);
}

TEST_F(WakeTest, FrontGoneRetires) {
  EXPECT_TRUE(workers_[0]->check_fronts());
  EXPECT_FALSE(workers_[0]->retired());
  front_.reset();
  EXPECT_FALSE(workers_[0]->check_fronts());
  EXPECT_TRUE(workers_[0]->retired());
  Claim claim;
  EXPECT_FALSE(workers_[1]->receive_body_descriptor(claim).valid());
  EXPECT_TRUE(workers_[1]->retired());
}

TEST(WakeDelayTest, OnlyAfterManyShortCallsAndNotForLong) {
  WakeDelay delay(WakeDelay::kResponses);
  base::Instant now{1'000'000'000};
  auto call = [&](base::Duration took) {
    delay.call_began(now);
    now = now + took;
    delay.call_ended(now);
  };
  for (int count = 0; count < WakeDelay::kResponses.trust; ++count) {
    EXPECT_FALSE(delay.may_wait(now));
    call(microseconds(10));
  }
  EXPECT_TRUE(delay.may_wait(now));
  EXPECT_TRUE(delay.may_wait(now));
  EXPECT_TRUE(delay.may_wait(now));
  EXPECT_FALSE(delay.may_wait(now));  // the fourth response
  delay.woken();
  EXPECT_TRUE(delay.may_wait(now));
  call(microseconds(120));
  EXPECT_TRUE(delay.may_wait(now));
  call(microseconds(120));
  EXPECT_FALSE(delay.may_wait(now));  // 240 us
  delay.woken();
  call(milliseconds(50));
  EXPECT_FALSE(delay.may_wait(now));
  EXPECT_FALSE(delay.trusts());
}

class DelayTest : public WakeTest {
 protected:
  // One request answered while the front sleeps and `queued` more wait; whether the front was woken.
  bool woken_by_answer(int queued, bool may_delay) {
    for (int count = 0; count < queued + 1; ++count) submit();
    EXPECT_TRUE(front_->prepare_to_sleep());
    answer(may_delay);
    bool woken = take_count(world_.front_wake(0)) == 1;
    front_->awake();
    while (queued-- > 0) answer(false);
    front_->drain();
    return woken;
  }

 private:
  void answer(bool may_delay) {
    Claim claim;
    ASSERT_TRUE(workers_[0]->claim(claim));
    workers_[0]->send_response(claim, hello_response(), "", kComplete | kReleases);
    if (may_delay) return workers_[0]->wake_fronts_after_call();
    workers_[0]->wake_fronts();
  }
};

TEST_F(DelayTest, OnlyWithTrustAndWhileMoreIsQueued) {
  EXPECT_TRUE(woken_by_answer(3, true));  // no short calls seen yet
  // On a busy machine calls may not look short: then try again.
  bool delayed = false;
  for (int count = 0; count < 100 * WakeDelay::kResponses.trust && !delayed; ++count)
    delayed = !woken_by_answer(3, true);
  EXPECT_TRUE(delayed);
  for (int count = 0; count < 10; ++count) {
    EXPECT_TRUE(woken_by_answer(3, false));  // forced: never waits
    EXPECT_TRUE(woken_by_answer(0, true));   // nothing else is queued
  }
}

TEST_F(DelayTest, PiecesThatComeFastTravelTogether) {
  submit();
  Claim claim;
  ASSERT_TRUE(workers_[0]->claim(claim));
  workers_[0]->send_response(claim, hello_response(), "", 0);
  int wakes = 0;
  constexpr int kPieces = 4000;
  for (int piece = 0; piece < kPieces; ++piece) {
    front_->drain();
    ASSERT_TRUE(front_->prepare_to_sleep());
    workers_[0]->send_body(claim, "x", 0);
    workers_[0]->wake_fronts_between_pieces();
    wakes += take_count(world_.front_wake(0)) == 1;
    front_->awake();
  }
  EXPECT_GT(wakes, WakeDelay::kPieces.trust - 1);  // not before they were seen to come fast
  EXPECT_LT(wakes, kPieces);
}

// What a worker keeps back for the next short call is seen soon though the next one is slow.
TEST_F(DelayTest, TheAlarmWakesTheFrontDuringASlowCall) {
  bool delayed = false;
  for (int count = 0; count < 100 * WakeDelay::kResponses.trust && !delayed; ++count)
    delayed = !woken_by_answer(3, true);
  ASSERT_TRUE(delayed);
  pollfd alarm{world_.front_alarm(0), POLLIN, 0};
  EXPECT_EQ(poll(&alarm, 1, 10'000), 1);
  uint64_t rings = take_count(world_.front_alarm(0));
  EXPECT_GE(rings, 1u);
}

TEST_F(WakeTest, WorkersShareAnAlarmThatRingsInTime) {
  SegmentMap map(world_.segment());
  WorkerFront first(map, 0, 0, {}, base::FileDescriptor(dup(world_.front_alarm(0))), {});
  WorkerFront second(map, 0, 1, {}, {}, {});
  base::Instant now = base::monotonic_now();
  EXPECT_FALSE(second.ensure_alarm(now));  // it has none
  EXPECT_TRUE(first.ensure_alarm(now));
  int64_t due = map.queue(0).alarm_due.value;
  EXPECT_EQ(due, now.nanoseconds + WorkerFront::kAlarm.count());
  EXPECT_TRUE(first.ensure_alarm(now + microseconds(500)));
  EXPECT_EQ(map.queue(0).alarm_due.value, due);  // rings in time already
  EXPECT_TRUE(first.ensure_alarm(now + milliseconds(1)));
  EXPECT_EQ(map.queue(0).alarm_due.value, due + 1'000'000);
  map.queue(0).alarm_due.value = due + 1'000'000'000;  // nonsense of another worker
  EXPECT_TRUE(first.ensure_alarm(now + milliseconds(2)));
  EXPECT_EQ(map.queue(0).alarm_due.value, due + 2'000'000);
}

}  // namespace
}  // namespace cutwater::link
