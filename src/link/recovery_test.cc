// Deaths: of a worker, of a front, of both.
#include <sys/wait.h>

#include "link/link_test_support.h"
#include "link/segment_map.h"
#include "link/slot_word.h"

namespace cutwater::link {
namespace {

class RecoveryTest : public testing::Test {
 protected:
  Ticket submit(std::string_view body = "") {
    message::Request request = hello_request();
    return front_->submit(request, {}, body).value();
  }
  Claim claim(WorkerLink& worker) {
    Claim claim;
    EXPECT_TRUE(worker.claim(claim));
    return claim;
  }

  World world_;
  NotingReceiver receiver_;
  std::unique_ptr<FrontLink> front_ = world_.front(receiver_);
  std::unique_ptr<WorkerLink> worker_ = world_.worker(0, {front_.get()});
};

TEST_F(RecoveryTest, DeadWorkerLosesOnlyWhatItHadNotAnswered) {
  submit();
  Ticket lost = submit();
  Ticket begun = submit();
  submit();
  Claim answered = claim(*worker_);
  claim(*worker_);
  Claim in_the_middle = claim(*worker_);
  worker_->send_response(answered, hello_response(), "hello", kComplete);  // complete, but not released
  worker_->send_response(in_the_middle, hello_response(), "hel", 0);
  worker_.reset();
  auto other = world_.worker(1, {front_.get()});
  front_->wake_workers();
  take_count(world_.lane_wake(1));
  EXPECT_FALSE(other->prepare_to_sleep());
  other->awake();

  EXPECT_EQ(front_->lane_died(0), (std::vector<Ticket>{lost, begun}));
  EXPECT_EQ(receiver_.frames.size(), 2u);  // what was complete in the ring came first
  EXPECT_FALSE(front_->lane_attached(0));
  EXPECT_EQ(front_->lane_socket(0), -1);
  EXPECT_EQ(front_->in_use(), 1u);
  Claim untouched = claim(*other);
  other->send_response(untouched, hello_response(), "hello", kComplete | kReleases);
  front_->drain();
  EXPECT_EQ(front_->in_use(), 0u);
}

TEST_F(RecoveryTest, DeathWakesAnotherAndForgetsTheSleeper) {
  auto other = world_.worker(1, {front_.get()});
  for (uint32_t lane : {0u, 1u}) take_count(world_.lane_wake(lane));
  ASSERT_TRUE(worker_->prepare_to_sleep());
  ASSERT_TRUE(other->prepare_to_sleep());
  submit();
  front_->wake_workers();  // takes the wake-up with it into its grave
  ASSERT_EQ(take_count(world_.lane_wake(0)), 1u);
  SegmentMap(world_.segment()).sleep_board().idle.value |= 2;  // as if `other` had announced a moment too early
  worker_.reset();
  EXPECT_TRUE(front_->lane_died(0).empty());
  EXPECT_EQ(take_count(world_.lane_wake(1)), 1u);
  EXPECT_EQ(SegmentMap(world_.segment()).sleep_board().idle.value.load(), 0u);
}

TEST_F(RecoveryTest, ANewWorkerStartsWithEmptyRings) {
  Ticket ticket = submit();
  Claim claimed = claim(*worker_);
  for (int count = 0; count < 5; ++count) front_->send_down(0, DownKind::kCredit, ticket, 1, "");
  worker_->send_response(claimed, hello_response(), "hel", 0);
  front_->retire_lane(0);
  worker_.reset();
  EXPECT_EQ(front_->lane_died(0).size(), 1u);
  worker_ = world_.worker(0, {front_.get()});
  EXPECT_FALSE(worker_->receive());
  EXPECT_FALSE(worker_->retired());
  submit();
  Claim next = claim(*worker_);
  worker_->send_response(next, hello_response(), "hello", kComplete | kReleases);
  EXPECT_TRUE(front_->drain());
  EXPECT_EQ(front_->in_use(), 0u);
}

TEST_F(RecoveryTest, WorkerMayDieBeforeItWasEverAttached) {
  World world;
  NotingReceiver receiver;
  auto front = world.front(receiver);
  auto worker = world.worker(2, {});
  message::Request request = hello_request();
  Ticket ticket = front->submit(request, {}, "").value();
  claim(*worker);
  worker.reset();
  EXPECT_EQ(front->lane_died(2), std::vector<Ticket>{ticket});
  EXPECT_EQ(front->in_use(), 0u);
}

TEST_F(RecoveryTest, NewFrontFreesTheQueuedAndWaitsOutTheClaimed) {
  submit();
  submit(std::string(100000, 'b'));
  Claim first = claim(*worker_);
  Claim second = claim(*worker_);
  submit();
  submit();
  worker_->send_response(first, hello_response(), "hel", 0);
  front_ = world_.front(receiver_);  // the old one is gone, its clients with it
  EXPECT_EQ(front_->in_use(), 2u);
  EXPECT_EQ(front_->queued(), 0u);
  Claim none;
  EXPECT_FALSE(worker_->claim(none));
  // The claimed ones are cancelled, and what they still send is nobody's.
  std::vector<uint32_t> cancelled;
  while (auto frame = worker_->receive())
    if (frame->header.kind == static_cast<uint16_t>(DownKind::kCancel)) cancelled.push_back(frame->header.slot);
  EXPECT_EQ(cancelled, (std::vector<uint32_t>{first.slot, second.slot}));
  front_->attach_lane(0, base::FileDescriptor(dup(world_.lane_wake(0))), {});
  std::string_view whole_body = second.body_chunks[0];
  EXPECT_EQ(whole_body.find_first_not_of('b'), std::string_view::npos);
  // Its chunks are not given to anybody else.
  submit(std::string(100000, 'c'));
  EXPECT_EQ(whole_body.find_first_not_of('b'), std::string_view::npos);
  worker_->release(first);
  worker_->send_body(second, "nonsense before any head", kComplete | kReleases);
  front_->drain();
  EXPECT_TRUE(receiver_.frames.empty());
  EXPECT_TRUE(receiver_.broken.empty());
  EXPECT_EQ(front_->in_use(), 1u);
  Claim fresh = claim(*worker_);
  worker_->send_response(fresh, hello_response(), "hello", kComplete | kReleases);
  front_->drain();
  EXPECT_EQ(receiver_.frames.size(), 1u);
  EXPECT_EQ(front_->in_use(), 0u);
}

TEST_F(RecoveryTest, NewFrontLearnsOfAWorkersDeath) {
  submit();
  claim(*worker_);
  front_ = world_.front(receiver_);
  EXPECT_EQ(front_->in_use(), 1u);
  EXPECT_TRUE(front_->lane_died(0).empty());  // nobody waits for it
  EXPECT_EQ(front_->in_use(), 0u);
}

// Worker and front died; the lane was given on without the new front being told.
TEST_F(RecoveryTest, NewWorkerGivesBackWhatItsPredecessorHeld) {
  submit();
  claim(*worker_);
  worker_.reset();
  front_ = world_.front(receiver_);
  EXPECT_EQ(front_->in_use(), 1u);
  worker_ = world_.worker(0, {front_.get()});
  front_->drain();
  EXPECT_EQ(front_->in_use(), 0u);
}

TEST_F(RecoveryTest, FramesReadTwiceAreNobodys) {
  submit();
  Claim first = claim(*worker_);
  worker_->send_response(first, hello_response(), "hello", kComplete | kReleases);
  SegmentMap map(world_.segment());
  uint64_t before = map.lane(0, 0).up_read.value;
  front_->drain();
  submit();
  map.lane(0, 0).up_read.value = before;  // the front died before it had published what it read
  front_ = world_.front(receiver_);
  front_->attach_lane(0, base::FileDescriptor(dup(world_.lane_wake(0))), {});
  receiver_.frames.clear();
  EXPECT_TRUE(front_->drain());
  EXPECT_TRUE(receiver_.frames.empty());
  EXPECT_TRUE(receiver_.broken.empty());
}

TEST_F(RecoveryTest, ForkedChildOfAWorkerCannotAnswer) {
  submit();
  submit();
  Claim claimed = claim(*worker_);
  pid_t child = fork();
  if (child == 0) {
    Claim none;
    bool silent = !worker_->attached() && worker_->retired() && !worker_->claim(none) && !worker_->receive() &&
                  !worker_->send_up(claimed, UpKind::kBody, 0, std::string_view("x")) &&
                  worker_->send_response(claimed, hello_response(), "x", kComplete).status == SendResult::kFailed &&
                  worker_->send_body(claimed, "x", 0).status == SendResult::kFailed &&
                  worker_->send_file(claimed, 0, 0, 1) == SendResult::kFailed && !worker_->prepare_to_sleep() &&
                  !worker_->prepare_to_wait() && !worker_->has_queued() &&
                  !worker_->receive_body_descriptor(claimed).valid();
    worker_->release(claimed);
    worker_->wake_fronts();
    worker_->awake();
    worker_.reset();
    _exit(silent ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_FALSE(front_->drain());
  worker_->send_response(claimed, hello_response(), "hello", kComplete | kReleases);
  EXPECT_TRUE(front_->drain());
}

// A second front has its own queue, rings and book; the workers serve both.
TEST(TwoFrontsTest, EachHasItsOwn) {
  Layout layout = World::small_layout();
  layout.fronts = 2;
  World world(layout);
  NotingReceiver receivers[2];
  std::unique_ptr<FrontLink> fronts[2] = {world.front(receivers[0], 0), world.front(receivers[1], 1)};
  auto worker = world.worker(0, {fronts[0].get(), fronts[1].get()});
  message::Request request = hello_request();
  for (int count = 0; count < 6; ++count) ASSERT_TRUE(fronts[count % 2]->submit(request, {}, ""));
  std::vector<uint32_t> order;
  for (int count = 0; count < 6; ++count) {
    Claim claim;
    ASSERT_TRUE(worker->claim(claim));
    order.push_back(claim.front);
    worker->send_response(claim, hello_response(), "hello", kComplete | kReleases);
  }
  EXPECT_EQ(order, (std::vector<uint32_t>{0, 1, 0, 1, 0, 1}));  // neither starves
  for (int index = 0; index < 2; ++index) {
    ASSERT_TRUE(fronts[index]->prepare_to_sleep() || fronts[index]->drain());
    EXPECT_EQ(receivers[index].frames.size(), 3u);
    EXPECT_EQ(fronts[index]->in_use(), 0u);
  }
  ASSERT_TRUE(worker->prepare_to_sleep());
  take_count(world.lane_wake(0));
  ASSERT_TRUE(fronts[1]->submit(request, {}, ""));
  fronts[1]->wake_workers();
  EXPECT_EQ(take_count(world.lane_wake(0)), 1u);
  worker->awake();
  Claim claim;
  ASSERT_TRUE(worker->claim(claim));
  ASSERT_TRUE(fronts[1]->submit(request, {}, ""));
  worker.reset();
  EXPECT_TRUE(fronts[0]->lane_died(0).empty());
  EXPECT_EQ(fronts[1]->lane_died(0).size(), 1u);
  EXPECT_EQ(fronts[1]->in_use(), 1u);
}

TEST(TwoFrontsTest, SeeEachOthersLoad) {
  Layout layout = World::small_layout();
  layout.fronts = 3;
  World world(layout);
  NotingReceiver receivers[3];
  std::unique_ptr<FrontLink> fronts[3];
  for (uint32_t index = 0; index < 3; ++index) fronts[index] = world.front(receivers[index], index);
  fronts[0]->publish_load(5);
  fronts[1]->publish_load(7);
  EXPECT_EQ(fronts[0]->load_of_others(), 7u);
  EXPECT_EQ(fronts[2]->load_of_others(), 12u);
  fronts[1]->publish_load(0);
  EXPECT_EQ(fronts[2]->load_of_others(), 5u);
  SegmentMap(world.segment()).queue(1).load.value = ~uint32_t{0};  // a worker gone wild
  fronts[1]->publish_load(0);
  EXPECT_EQ(fronts[2]->load_of_others(), 5u);
  fronts[0] = world.front(receivers[0], 0);  // its predecessor died: what that had is gone
  EXPECT_EQ(fronts[2]->load_of_others(), 0u);
}

}  // namespace
}  // namespace cutwater::link
