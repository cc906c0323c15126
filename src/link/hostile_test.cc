// Workers that write nonsense: the front must stay whole, close the lane, and serve on.
#include <algorithm>
#include <random>

#include "link/link_test_support.h"
#include "link/segment_map.h"
#include "link/slot_word.h"

namespace cutwater::link {
namespace {

class HostileTest : public testing::Test {
 protected:
  Ticket submit() {
    message::Request request = hello_request();
    return front_->submit(request, {}, "").value();
  }
  Claim claim() {
    Claim claim;
    EXPECT_TRUE(worker_->claim(claim));
    return claim;
  }
  void send_raw(UpKind kind, uint32_t slot, uint32_t generation, uint32_t value = 0) {
    Claim made_up;
    made_up.slot = slot;
    made_up.generation = generation;
    EXPECT_TRUE(worker_->send_up(made_up, kind, value, std::string_view()));
  }
  void expect_broken(std::string_view why) {
    front_->drain();
    ASSERT_EQ(receiver_.broken.size(), 1u);
    EXPECT_EQ(receiver_.broken[0].first, 0u);
    EXPECT_NE(receiver_.broken[0].second.find(why), std::string::npos) << receiver_.broken[0].second;
    EXPECT_FALSE(front_->drain());  // it is not listened to any more
    EXPECT_EQ(receiver_.broken.size(), 1u);
    if (front_->holds(live_)) {
      EXPECT_FALSE(front_->send_down(0, DownKind::kBodyPiece, live_, 0, "x"));
    }
    EXPECT_EQ(front_->lane_socket(0), -1);
  }
  // The lane's next worker finds everything in order.
  void expect_recovery() {
    worker_.reset();
    front_->lane_died(0);
    worker_ = world_.worker(0, {front_.get()});
    receiver_.frames.clear();
    Ticket ticket = submit();
    Claim claimed;
    for (int count = 0; count < 3 && !worker_->claim(claimed); ++count) front_->tick();
    EXPECT_EQ(claimed.slot, ticket.slot);
    EXPECT_EQ(worker_->send_response(claimed, hello_response(), "hello", kComplete | kReleases).status,
              SendResult::kSent);
    EXPECT_TRUE(front_->drain());
    ASSERT_FALSE(receiver_.frames.empty());
    EXPECT_EQ(receiver_.frames.back().ticket, ticket);
  }

  World world_;
  SegmentMap map_{world_.segment()};
  NotingReceiver receiver_;
  std::unique_ptr<FrontLink> front_ = world_.front(receiver_);
  std::unique_ptr<WorkerLink> worker_ = world_.worker(0, {front_.get()});
  Ticket live_;
};

TEST_F(HostileTest, FrameOfAnUnknownSlot) {
  send_raw(UpKind::kHead, 8, 1);
  expect_broken("slot");
  expect_recovery();
}

TEST_F(HostileTest, FrameOfAnUnknownKind) {
  live_ = submit();
  claim();
  send_raw(static_cast<UpKind>(13), live_.slot, live_.generation);
  expect_broken("unknown kind");
  expect_recovery();
}

TEST_F(HostileTest, AnswerToWhatItHasNotClaimed) {
  live_ = submit();
  send_raw(UpKind::kEnd, live_.slot, live_.generation);
  expect_broken("not claimed");
  EXPECT_TRUE(front_->take_back(live_));
  expect_recovery();
}

TEST_F(HostileTest, AnswerToWhatAnotherHasClaimed) {
  auto other = world_.worker(1, {front_.get()});
  live_ = submit();
  Claim theirs;
  ASSERT_TRUE(other->claim(theirs));
  send_raw(UpKind::kAbort, live_.slot, live_.generation);
  expect_broken("not claimed");
  EXPECT_TRUE(receiver_.frames.empty());
  // The rightful one is heard.
  other->send_response(theirs, hello_response(), "hello", kComplete | kReleases);
  front_->drain();
  EXPECT_EQ(receiver_.frames.size(), 1u);
  expect_recovery();
}

TEST_F(HostileTest, OlderGenerationIsDropped) {
  live_ = submit();
  claim();
  send_raw(UpKind::kHead, live_.slot, live_.generation - 1);
  send_raw(UpKind::kReleased, live_.slot, live_.generation + 1);
  send_raw(UpKind::kReleased, 7, 1);
  front_->drain();
  EXPECT_TRUE(receiver_.frames.empty());
  EXPECT_TRUE(receiver_.broken.empty());
  EXPECT_TRUE(front_->holds(live_));
}

TEST_F(HostileTest, WrongOrder) {
  struct Case {
    std::vector<std::pair<UpKind, uint32_t>> frames;
    const char* why;
  };
  const Case cases[] = {
      {{{UpKind::kBody, 0}}, "before the head"},
      {{{UpKind::kEnd, 0}}, "before the head"},
      {{{UpKind::kTrailers, 0}}, "before the head"},
      {{{UpKind::kFile, 1}}, "before the head"},
      {{{UpKind::kHead, 0}, {UpKind::kHead, 0}}, "second"},
      {{{UpKind::kHead, 0}, {UpKind::kEarlyHints, 0}}, "early hints"},
      {{{UpKind::kHead, kReleases}}, "middle"},
      {{{UpKind::kHead, 0}, {UpKind::kBody, kReleases}}, "middle"},
      {{{UpKind::kHead, 8}}, "flags"},
  };
  for (const Case& wrong : cases) {
    live_ = submit();
    claim();
    for (auto [kind, value] : wrong.frames) send_raw(kind, live_.slot, live_.generation, value);
    expect_broken(wrong.why);
    EXPECT_TRUE(front_->holds(live_));
    expect_recovery();
    receiver_.broken.clear();
    EXPECT_EQ(front_->in_use(), 0u);
  }
}

TEST_F(HostileTest, PositionsThatCannotBe) {
  for (uint64_t position : {uint64_t{1}, uint64_t{1} << 40, ~uint64_t{0}}) {
    map_.lane(0, 0).up_write.value = position;
    expect_broken("ring");
    receiver_.broken.clear();
    expect_recovery();
    map_.lane(0, 0).down_read.value = position;
    live_ = submit();
    for (int count = 0; count < 2000; ++count) front_->send_down(0, DownKind::kBodyPiece, live_, 0, "x");
    expect_broken("down ring");
    receiver_.broken.clear();
    EXPECT_TRUE(front_->take_back(live_));
    expect_recovery();
  }
}

TEST_F(HostileTest, CorruptHeadOnlyDelays) {
  for (uint64_t head : {uint64_t{0}, uint64_t{7}, uint64_t{1} << 40, ~uint64_t{0}}) {
    for (int count = 0; count < 50; ++count) {
      EXPECT_TRUE(front_->take_back(submit()));
    }
    live_ = submit();
    map_.queue(0).head.value = head;
    front_->tick();
    Claim claimed = claim();
    EXPECT_EQ(claimed.slot, live_.slot);
    worker_->release(claimed);
    front_->drain();
  }
}

TEST_F(HostileTest, CorruptTailAndEntriesAreMended) {
  live_ = submit();
  map_.queue(0).tail.value = 0;
  Claim none;
  EXPECT_FALSE(worker_->claim(none));
  front_->tick();
  EXPECT_EQ(claim().slot, live_.slot);
  Ticket second = submit();
  map_.index_entry(0, 1) = 0xffffffff;
  EXPECT_FALSE(worker_->claim(none));  // and the head has passed it
  front_->tick();
  EXPECT_EQ(claim().slot, second.slot);
  map_.queue(0).tail.value = uint64_t{1} << 60;
  EXPECT_FALSE(worker_->claim(none));
  submit();
  front_->tick();
  claim();
}

TEST_F(HostileTest, NonsenseInASlotWordNeverLosesTheSlot) {
  for (uint64_t word : {uint64_t{0}, ~uint64_t{0}, slot_word(0, SlotWordState::kClaimed, 63),
                        slot_word(12345, SlotWordState::kQueued)}) {
    live_ = submit();
    map_.slot_control(0, live_.slot).word = word;
    EXPECT_EQ(front_->state(live_).kind, SlotState::kQueued);
    EXPECT_TRUE(front_->take_back(live_));
    EXPECT_EQ(front_->in_use(), 0u);
  }
  Claim claimed;
  while (worker_->claim(claimed)) {
  }
  expect_recovery();
}

TEST_F(HostileTest, ClaimTimeCannotBeMoved) {
  live_ = submit();
  Claim claimed = claim();
  base::Instant before = base::monotonic_now();
  map_.slot_control(0, claimed.slot).claimed_at = INT64_MAX;
  base::Instant first = front_->state(live_).claimed_at;
  EXPECT_GE(first, before);
  EXPECT_LE(first, base::monotonic_now());
  map_.slot_control(0, claimed.slot).claimed_at = INT64_MAX - 1;
  EXPECT_EQ(front_->state(live_).claimed_at, first);
}

// Everything that workers can write, at random, under a front that goes on with its work.
TEST_F(HostileTest, RandomWritesEverywhere) {
  std::mt19937_64 random(7);
  auto control_word = [&]() -> std::atomic<uint64_t>* {
    switch (random() % 9) {
      case 0:
        return &map_.queue(0).head.value;
      case 1:
        return &map_.queue(0).tail.value;
      case 2:
        return &map_.slot_control(0, static_cast<uint32_t>(random() % 8)).word;
      case 3:
        return &map_.lane(0, static_cast<uint32_t>(random() % 3)).up_write.value;
      case 4:
        return &map_.lane(0, static_cast<uint32_t>(random() % 3)).up_read.value;
      case 5:
        return &map_.lane(0, static_cast<uint32_t>(random() % 3)).down_write.value;
      case 6:
        return &map_.lane(0, static_cast<uint32_t>(random() % 3)).down_read.value;
      case 7:
        return &map_.sleep_board().idle.value;
      default:
        return reinterpret_cast<std::atomic<uint64_t>*>(&map_.index_entry(0, random() % 16 * 2));
    }
  };
  auto value = [&]() -> uint64_t {
    switch (random() % 5) {
      case 0:
        return random();
      case 1:
        return random() % 1024;
      case 2:
        return random() % 4096 * 64;
      case 3:
        return slot_word(static_cast<uint32_t>(random() % 64), static_cast<SlotWordState>(random() % 5),
                         static_cast<uint32_t>(random() % 5));
      default:
        return ~uint64_t{0} - random() % 200;
    }
  };
  for (int round = 0; round < 400; ++round) {
    std::vector<Ticket> tickets;
    message::Request request = hello_request();
    for (int step = 0; step < 60; ++step) {
      switch (random() % 10) {
        case 0:
          if (auto ticket = front_->submit(request, {}, std::string(random() % 40000, 'b'))) tickets.push_back(*ticket);
          break;
        case 1: {
          Claim claimed;
          if (worker_->claim(claimed)) worker_->send_response(claimed, hello_response(), "x", random() % 4);
          break;
        }
        case 2:
          front_->drain();
          break;
        case 3:
          front_->tick();
          break;
        case 4:
          front_->wake_workers();
          break;
        case 5:
          if (front_->prepare_to_sleep()) front_->awake();
          break;
        case 6:
          for (Ticket ticket : tickets) {
            SlotState state = front_->state(ticket);
            EXPECT_LT(state.lane, 3u);
            front_->send_down(state.lane, DownKind::kBodyPiece, ticket, 1, "piece");
          }
          break;
        case 7:
          *control_word() = value();
          break;
        case 8: {  // a frame header somewhere in a ring
          uint64_t words[2] = {value() & 0xffffffff00070fff, value()};
          uint64_t offset = random() % 64 * 64;
          std::memcpy((random() % 2 != 0 ? map_.up_ring(0, 0) : map_.down_ring(0, 0)) + offset, words, sizeof words);
          break;
        }
        default:
          while (worker_->receive()) {
          }
      }
    }
    // Replace every worker: then nothing is left that could be wrong.
    worker_.reset();
    for (uint32_t lane = 0; lane < 3; ++lane) front_->lane_died(lane);
    for (Ticket ticket : tickets) front_->take_back(ticket);
    ASSERT_EQ(front_->in_use(), 0u) << round;
    ASSERT_TRUE(front_->has_room(front_->maximum_body())) << round;
    worker_ = world_.worker(0, {front_.get()});
    expect_recovery();
    if (HasFailure()) return;
  }
}

// A worker reads what the front wrote, and what a sibling may have spoiled: it must not fall either.
TEST_F(HostileTest, DamagedSlotIsRefusedByTheWorker) {
  std::mt19937 random(3);
  for (int round = 0; round < 2000; ++round) {
    message::Request request = hello_request();
    std::string body(random() % 2 != 0 ? 100 : 20000, 'b');
    Ticket ticket = front_->submit(request, {}, body).value();
    auto* words = reinterpret_cast<uint32_t*>(map_.slot(0, ticket.slot));
    for (int count = 0; count < 3; ++count)
      words[random() % 20] = static_cast<uint32_t>(random() % 3 == 0 ? random() : random() % 70000);
    Claim claimed = claim();
    message::Request seen;
    RequestExtras extras;
    if (decode_request(claimed.record, seen, extras)) {
      std::string copy(claimed.inline_body);
      for (std::string_view piece : claimed.body_chunks) copy += piece;
    }
    worker_->release(claimed);
    front_->drain();
  }
  EXPECT_EQ(front_->in_use(), 0u);
}

}  // namespace
}  // namespace cutwater::link
