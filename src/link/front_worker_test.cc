// Both ends in one process: the ordinary ways of a request.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "link/link_test_support.h"

namespace cutwater::link {
namespace {

class FrontWorkerTest : public testing::Test {
 protected:
  Ticket submit(std::string_view body = "", BodyPlace place = BodyPlace::kNone) {
    message::Request request = hello_request();
    auto ticket = front_->submit(request, {.body_place = place, .exchange_id = ++exchange_}, body);
    EXPECT_TRUE(ticket);
    return ticket.value_or(Ticket{});
  }
  Claim claim() {
    Claim claim;
    EXPECT_TRUE(worker_->claim(claim));
    return claim;
  }
  void answer(const Claim& claim) {
    EXPECT_EQ(worker_->send_response(claim, hello_response(), "hello", kComplete | kReleases).status,
              SendResult::kSent);
  }
  std::vector<UpKind> kinds() const {
    std::vector<UpKind> kinds;
    for (const Received& frame : receiver_.frames) kinds.push_back(frame.kind());
    return kinds;
  }

  World world_;
  NotingReceiver receiver_;
  std::unique_ptr<FrontLink> front_ = world_.front(receiver_);
  std::unique_ptr<WorkerLink> worker_ = world_.worker(0, {front_.get()});
  uint64_t exchange_ = 0;
};

TEST_F(FrontWorkerTest, SmallResponseIsOneFrameThatFreesTheSlot) {
  Ticket ticket = submit();
  EXPECT_EQ(front_->in_use(), 1u);
  EXPECT_EQ(front_->queued(), 1u);
  EXPECT_EQ(front_->state(ticket).kind, SlotState::kQueued);

  Claim claimed = claim();
  base::Instant now = base::monotonic_now();
  SlotState state = front_->state(ticket);
  EXPECT_EQ(state.kind, SlotState::kClaimed);
  EXPECT_EQ(state.lane, 0u);
  EXPECT_LE(state.claimed_at, now);
  EXPECT_GT(state.claimed_at, now - std::chrono::seconds(10));
  EXPECT_EQ(front_->queued(), 0u);
  message::Request seen;
  RequestExtras extras;
  ASSERT_TRUE(decode_request(claimed.record, seen, extras));
  EXPECT_EQ(seen.path, "/a b");
  EXPECT_EQ(extras.exchange_id, 1u);

  SendResult sent = worker_->send_response(claimed, hello_response(), "hello", kComplete | kReleases);
  EXPECT_EQ(sent.status, SendResult::kSent);
  EXPECT_EQ(sent.body_bytes, 5u);
  EXPECT_TRUE(front_->holds(ticket));
  EXPECT_TRUE(front_->drain());
  ASSERT_EQ(kinds(), std::vector{UpKind::kHead});
  EXPECT_EQ(receiver_.frames[0].ticket, ticket);
  std::string storage;
  message::Response response;
  std::string_view body;
  ASSERT_TRUE(read_head_payload(receiver_.frames[0].payload, storage, response, body));
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(body, "hello");
  EXPECT_EQ(front_->in_use(), 0u);
  EXPECT_FALSE(front_->holds(ticket));
  EXPECT_FALSE(front_->drain());
}

TEST_F(FrontWorkerTest, EveryUpFrameArrives) {
  Ticket ticket = submit();
  Claim claimed = claim();
  EXPECT_TRUE(worker_->send_up(claimed, UpKind::kEarlyHints, 0, std::string_view("hints")));
  EXPECT_TRUE(worker_->send_up(claimed, UpKind::kBodyWanted, 0, std::string_view()));
  EXPECT_TRUE(worker_->send_up(claimed, UpKind::kCredit, 4096, std::string_view()));
  EXPECT_EQ(worker_->send_response(claimed, hello_response(), "", 0).status, SendResult::kSent);
  EXPECT_EQ(worker_->send_body(claimed, "body", 0).body_bytes, 4u);
  EXPECT_TRUE(worker_->send_up(claimed, UpKind::kWebSocketMessage, 1 | kMoreFollows, {"me", "", "ssage"}));
  EXPECT_TRUE(worker_->send_up(claimed, UpKind::kWebSocketClose, 1000, std::string_view("bye")));
  EXPECT_EQ(worker_->send_file(claimed, 0, 10, 20), SendResult::kSent);
  EXPECT_TRUE(worker_->send_up(claimed, UpKind::kTrailers, 0, std::string_view("trailers")));
  EXPECT_TRUE(worker_->send_up(claimed, UpKind::kEnd, 0, std::string_view()));
  front_->drain();
  EXPECT_EQ(kinds(), (std::vector{UpKind::kEarlyHints, UpKind::kBodyWanted, UpKind::kCredit, UpKind::kHead,
                                  UpKind::kBody, UpKind::kWebSocketMessage, UpKind::kWebSocketClose, UpKind::kFile,
                                  UpKind::kTrailers, UpKind::kEnd}));
  EXPECT_EQ(receiver_.frames[0].payload, "hints");
  EXPECT_EQ(receiver_.frames[2].frame.value, 4096u);
  EXPECT_EQ(receiver_.frames[4].payload, "body");
  EXPECT_EQ(receiver_.frames[5].payload, "message");
  EXPECT_EQ(receiver_.frames[5].frame.value, 1 | kMoreFollows);
  EXPECT_EQ(receiver_.frames[6].payload, "bye");
  EXPECT_EQ(receiver_.frames[8].payload, "trailers");
  EXPECT_TRUE(front_->holds(ticket));  // ended, not released
  worker_->release(claimed);
  front_->drain();
  EXPECT_EQ(receiver_.frames.size(), 10u);  // kReleased is the link's own
  EXPECT_FALSE(front_->holds(ticket));
}

TEST_F(FrontWorkerTest, AbortTellsWhetherAHeadWasSent) {
  submit();
  Claim first = claim();
  EXPECT_TRUE(worker_->send_up(first, UpKind::kAbort, kBeforeHead | kReleases, std::string_view()));
  submit();
  Claim second = claim();
  worker_->send_response(second, hello_response(), "hel", 0);
  EXPECT_TRUE(worker_->send_up(second, UpKind::kAbort, kBeforeHead, std::string_view()));  // not true, and corrected
  front_->drain();
  ASSERT_EQ(kinds(), (std::vector{UpKind::kAbort, UpKind::kHead, UpKind::kAbort}));
  EXPECT_NE(receiver_.frames[0].frame.value & kBeforeHead, 0u);
  EXPECT_EQ(receiver_.frames[2].frame.value & kBeforeHead, 0u);
  EXPECT_EQ(front_->in_use(), 1u);
}

TEST_F(FrontWorkerTest, ReleaseWithoutAnEndCountsAsAbort) {
  submit();
  Claim first = claim();
  worker_->release(first);
  submit();
  Claim second = claim();
  worker_->send_response(second, hello_response(), "hel", 0);
  worker_->release(second);
  front_->drain();
  ASSERT_EQ(kinds(), (std::vector{UpKind::kAbort, UpKind::kHead, UpKind::kAbort}));
  EXPECT_EQ(receiver_.frames[0].frame.value, uint32_t{kBeforeHead} | kReleases);
  EXPECT_EQ(receiver_.frames[2].frame.value, kReleases);
  EXPECT_EQ(front_->in_use(), 0u);
}

TEST_F(FrontWorkerTest, NothingIsDeliveredAfterTheEnd) {
  submit();
  Claim claimed = claim();
  worker_->send_response(claimed, hello_response(), "hello", kComplete);
  worker_->send_body(claimed, "more", 0);
  worker_->send_up(claimed, UpKind::kAbort, kReleases, std::string_view());
  front_->drain();
  EXPECT_EQ(kinds(), std::vector{UpKind::kHead});
  EXPECT_TRUE(receiver_.broken.empty());
  EXPECT_EQ(front_->in_use(), 0u);
}

TEST_F(FrontWorkerTest, EveryDownFrameArrives) {
  Ticket ticket = submit("", BodyPlace::kStreamed);
  Claim claimed = claim();
  const std::pair<DownKind, std::string> sent[] = {
      {DownKind::kBodyPiece, "piece"},  {DownKind::kBodyEnd, ""},          {DownKind::kDisconnect, ""},
      {DownKind::kCancel, ""},          {DownKind::kCredit, ""},           {DownKind::kWebSocketMessage, "text"},
      {DownKind::kWebSocketClose, "x"}, {DownKind::kTrailers, "trailers"},
  };
  uint32_t value = 100;
  front_->probe_lane(0);
  EXPECT_TRUE(front_->unread_from(0));
  for (const auto& [kind, payload] : sent) EXPECT_TRUE(front_->send_down(0, kind, ticket, value++, payload));
  front_->retire_lane(0);
  value = 100;
  for (const auto& [kind, payload] : sent) {
    auto frame = worker_->receive();
    ASSERT_TRUE(frame);
    EXPECT_EQ(frame->front, 0u);
    EXPECT_EQ(frame->header.kind, static_cast<uint16_t>(kind));
    EXPECT_EQ(frame->header.slot, claimed.slot);
    EXPECT_EQ(frame->header.generation, claimed.generation);
    EXPECT_EQ(frame->header.value, value++);
    EXPECT_EQ(frame->payload, payload);
  }
  EXPECT_FALSE(worker_->retired());
  auto retire = worker_->receive();
  ASSERT_TRUE(retire);
  EXPECT_EQ(retire->header.kind, static_cast<uint16_t>(DownKind::kRetire));
  EXPECT_EQ(retire->header.slot, kNoSlot);
  EXPECT_TRUE(worker_->retired());
  EXPECT_FALSE(worker_->receive());
  submit();
  Claim none;
  EXPECT_FALSE(worker_->claim(none));
}

TEST_F(FrontWorkerTest, BodiesInlineAndInChunks) {
  for (size_t size : {size_t{1}, size_t{8192}, size_t{15000}, size_t{16384}, size_t{65536}, size_t{65537},
                      size_t{200000}, front_->maximum_body()}) {
    std::string body(size, 'b');
    for (size_t index = 0; index < size; ++index) body[index] = static_cast<char>(index * 7 + index / 256);
    submit(body);
    Claim claimed = claim();
    message::Request request;
    RequestExtras extras;
    ASSERT_TRUE(decode_request(claimed.record, request, extras));
    EXPECT_EQ(extras.body_length, size);
    std::string seen(claimed.inline_body);
    for (std::string_view piece : claimed.body_chunks) seen += piece;
    EXPECT_EQ(seen, body);
    EXPECT_EQ(extras.body_place, claimed.body_chunks.empty() ? BodyPlace::kInline : BodyPlace::kChunks);
    answer(claimed);
    front_->drain();
  }
  EXPECT_TRUE(front_->has_room(front_->maximum_body()));  // every chunk came back
  message::Request request = hello_request();
  EXPECT_FALSE(front_->submit(request, {}, std::string(front_->maximum_body() + 1, 'x')));
  EXPECT_EQ(front_->in_use(), 0u);
}

TEST_F(FrontWorkerTest, LongHeadGoesIntoAChunk) {
  message::Request request = hello_request();
  std::string cookie(30000, 'c');
  request.headers.add("Cookie", cookie);
  ASSERT_TRUE(front_->submit(request, {}, "body"));
  Claim claimed = claim();
  message::Request seen;
  RequestExtras extras;
  ASSERT_TRUE(decode_request(claimed.record, seen, extras));
  EXPECT_EQ(seen.headers.get("cookie"), cookie);
  EXPECT_EQ(claimed.inline_body, "body");
  std::string huge(70000, 'h');
  request.headers.add("X-Huge", huge);
  EXPECT_FALSE(front_->submit(request, {}, ""));
}

TEST_F(FrontWorkerTest, FullQueueRefusesAndRoomComesBack) {
  for (uint32_t slot = 0; slot < world_.layout().slots; ++slot) submit();
  message::Request request = hello_request();
  EXPECT_FALSE(front_->has_room());
  EXPECT_FALSE(front_->submit(request, {}, ""));
  EXPECT_EQ(front_->queued(), world_.layout().slots);
  answer(claim());
  front_->drain();
  EXPECT_TRUE(front_->has_room());
  submit();
}

TEST_F(FrontWorkerTest, RequestsComeInOrder) {
  for (int count = 0; count < 5; ++count) submit();
  for (uint64_t expected = 1; expected <= 5; ++expected) {
    message::Request request;
    RequestExtras extras;
    ASSERT_TRUE(decode_request(claim().record, request, extras));
    EXPECT_EQ(extras.exchange_id, expected);
  }
}

TEST_F(FrontWorkerTest, TakenBackWhileQueuedIsNeverClaimed) {
  Ticket first = submit();
  Ticket second = submit();
  EXPECT_TRUE(front_->take_back(first));
  EXPECT_FALSE(front_->take_back(first));
  EXPECT_FALSE(front_->holds(first));
  Claim claimed = claim();
  EXPECT_EQ(claimed.slot, second.slot);
  EXPECT_FALSE(front_->take_back(second));
  Claim none;
  EXPECT_FALSE(worker_->claim(none));
  EXPECT_EQ(front_->in_use(), 1u);
}

// Clients come and go while the oldest request waits: dead entries must not fill the index ring.
TEST_F(FrontWorkerTest, TakingBackForEverNeverFillsTheRing) {
  Ticket oldest = submit();
  Ticket second = submit();
  for (int count = 0; count < 10000; ++count) {
    message::Request request = hello_request();
    auto ticket = front_->submit(request, {}, "");
    ASSERT_TRUE(ticket) << count;
    ASSERT_TRUE(front_->take_back(*ticket));
  }
  EXPECT_EQ(claim().slot, oldest.slot);
  EXPECT_EQ(claim().slot, second.slot);
  Claim none;
  EXPECT_FALSE(worker_->claim(none));
}

TEST_F(FrontWorkerTest, SlotsAreReusedLastInFirstOut) {
  for (int count = 0; count < 1000; ++count) {
    EXPECT_EQ(submit().slot, 0u);
    answer(claim());
    front_->drain();
  }
}

TEST_F(FrontWorkerTest, LargeResponseInPiecesThroughASmallRing) {
  submit();
  Claim claimed = claim();
  std::string body(3 << 20, 'x');
  for (size_t index = 0; index < body.size(); ++index) body[index] = static_cast<char>(index / 1000);
  std::string_view rest = body;
  bool head = false;
  while (!rest.empty() || !head) {
    SendResult sent = head ? worker_->send_body(claimed, rest, kComplete | kReleases)
                           : worker_->send_response(claimed, hello_response(), rest, kComplete | kReleases);
    if (sent.status == SendResult::kFull) {
      ASSERT_TRUE(front_->drain());
      continue;
    }
    ASSERT_EQ(sent.status, SendResult::kSent);
    head = true;
    rest.remove_prefix(sent.body_bytes);
  }
  while (front_->drain()) {
  }
  std::string seen;
  for (const Received& frame : receiver_.frames)
    seen += frame.kind() == UpKind::kHead ? std::string(split_head_payload(frame.payload)->body) : frame.payload;
  EXPECT_TRUE(seen == body);
  EXPECT_EQ(receiver_.frames.back().frame.value, kComplete | kReleases);
  for (size_t index = 0; index + 1 < receiver_.frames.size(); ++index)
    EXPECT_EQ(receiver_.frames[index].frame.value, 0u);
  EXPECT_EQ(front_->in_use(), 0u);
}

TEST_F(FrontWorkerTest, HeadThatFitsNoFrameIsSaidSo) {
  submit();
  Claim claimed = claim();
  message::Response response;
  std::string value(65000, 'v');
  response.headers.add("X-Long", value);
  EXPECT_EQ(worker_->send_response(claimed, response, "body", 0).status, SendResult::kSent);
  std::string more(600, 'm');
  response.headers.add("X-Over", more);
  EXPECT_EQ(worker_->send_response(claimed, response, "body", 0).status, SendResult::kTooLarge);
}

TEST_F(FrontWorkerTest, ReleaseIsNeverLostInAFullRing) {
  submit();
  submit();
  Claim first = claim();
  Claim second = claim();
  worker_->send_response(first, hello_response(), "", 0);
  while (worker_->send_body(first, std::string(60000, 'x'), 0).status == SendResult::kSent) {
  }
  while (worker_->send_up(first, UpKind::kCredit, 1, std::string_view())) {
  }
  worker_->release(second);
  EXPECT_TRUE(worker_->prepare_to_wait());  // nothing to be done before the front has read
  take_count(world_.lane_wake(0));
  front_->drain();
  front_->wake_workers();
  EXPECT_EQ(take_count(world_.lane_wake(0)), 1u);
  worker_->awake();
  EXPECT_EQ(front_->in_use(), 2u);
  worker_->wake_fronts();
  EXPECT_FALSE(worker_->receive());
  worker_->prepare_to_sleep();  // sends what was kept
  worker_->awake();
  while (front_->drain()) {
  }
  EXPECT_EQ(front_->in_use(), 1u);
}

TEST_F(FrontWorkerTest, FilesAndBodiesByDescriptor) {
  base::FileDescriptor file(memfd_create("test", MFD_CLOEXEC));
  ASSERT_EQ(write(file.get(), "content", 7), 7);
  Ticket ticket = submit("", BodyPlace::kDescriptor);
  Claim claimed = claim();
  EXPECT_FALSE(worker_->receive_body_descriptor(claimed).valid());
  EXPECT_FALSE(worker_->retired());
  EXPECT_TRUE(front_->send_body_descriptor(0, {ticket.slot, ticket.generation + 1}, file.get()));  // another's
  EXPECT_TRUE(front_->send_body_descriptor(0, ticket, file.get()));
  base::FileDescriptor body = worker_->receive_body_descriptor(claimed);
  ASSERT_TRUE(body.valid());
  char bytes[8] = {};
  EXPECT_EQ(pread(body.get(), bytes, 7, 0), 7);
  EXPECT_STREQ(bytes, "content");
  EXPECT_NE(fcntl(body.get(), F_GETFD) & FD_CLOEXEC, 0);

  worker_->send_response(claimed, hello_response(), "", 0);
  EXPECT_EQ(worker_->send_file(claimed, file.get(), 1, 5), SendResult::kSent);
  EXPECT_EQ(worker_->send_file(claimed, file.get(), 0, 7), SendResult::kSent);
  front_->drain();
  ASSERT_EQ(receiver_.frames.size(), 3u);
  uint64_t range[2];
  ASSERT_EQ(receiver_.frames[1].payload.size(), sizeof range);
  std::memcpy(range, receiver_.frames[1].payload.data(), sizeof range);
  EXPECT_EQ(range[0], 1u);
  EXPECT_EQ(range[1], 5u);
  // In any order, each once.
  EXPECT_TRUE(front_->receive_file_descriptor(0, ticket, receiver_.frames[2].frame.value).valid());
  EXPECT_TRUE(front_->receive_file_descriptor(0, ticket, receiver_.frames[1].frame.value).valid());
  EXPECT_FALSE(front_->receive_file_descriptor(0, ticket, receiver_.frames[1].frame.value).valid());
  EXPECT_FALSE(front_->receive_file_descriptor(1, ticket, 1).valid());  // a lane without a worker
}

TEST_F(FrontWorkerTest, TicketsThatAreOverAreHarmless) {
  Ticket over = submit();
  answer(claim());
  front_->drain();
  EXPECT_EQ(front_->state(over).kind, SlotState::kQueued);
  EXPECT_FALSE(front_->take_back(over));
  EXPECT_TRUE(front_->send_down(0, DownKind::kCancel, over, 0, ""));
  EXPECT_FALSE(worker_->receive());
  Ticket nonsense{12345, 1};
  EXPECT_FALSE(front_->holds(nonsense));
  EXPECT_FALSE(front_->take_back(nonsense));
  EXPECT_EQ(front_->state(nonsense).kind, SlotState::kQueued);
}

// The handler resumes the request's coroutine inside on_frame: whatever that does must find the link in
// order.
TEST_F(FrontWorkerTest, ReceiverMayCallBack) {
  submit();
  Ticket queued = submit();
  Claim claimed = claim();
  receiver_.also = [&](const Received& frame) {
    EXPECT_FALSE(front_->take_back(frame.ticket));
    EXPECT_TRUE(front_->take_back(queued));
    EXPECT_TRUE(front_->send_down(0, DownKind::kCredit, frame.ticket, 1, ""));
    receiver_.also = nullptr;
    submit();
    submit();
  };
  answer(claimed);
  front_->drain();
  EXPECT_EQ(front_->in_use(), 2u);
  answer(claim());
  answer(claim());
  front_->drain();
  EXPECT_EQ(front_->in_use(), 0u);
}

uint64_t real_bytes(int memory) {
  struct stat status {};
  EXPECT_EQ(fstat(memory, &status), 0);
  return static_cast<uint64_t>(status.st_blocks) * 512;
}

// An open WebSocket has its slot for days.
TEST(LongRequests, WhatIsForgottenCostsNoMemory) {
  Layout layout;
  layout.slots = 16384;
  World world(layout);
  NotingReceiver receiver;
  auto front = world.front(receiver);
  auto worker = world.worker(0, {front.get()});
  const uint64_t before = real_bytes(world.memory());
  EXPECT_LT(before, 100'000u);
  std::vector<Claim> claims(2000);
  for (Claim& claimed : claims) {
    auto ticket = front->submit(hello_request(), {.websocket = true}, "");
    ASSERT_TRUE(ticket);
    ASSERT_TRUE(worker->claim(claimed));
    front->forget_content(*ticket);
  }
  EXPECT_EQ(front->in_use(), 2000u);
  EXPECT_EQ(front->queued(), 0u);
  EXPECT_LT(real_bytes(world.memory()) - before, 200'000u);
  for (const Claim& claimed : claims) worker->release(claimed);
  while (front->drain()) worker->receive();
  for (int round = 0; round < 200 && front->in_use() > 0; ++round) {
    worker->prepare_to_wait();
    worker->awake();
    front->drain();
  }
  EXPECT_EQ(front->in_use(), 0u);
  // And may be used again, with all that it holds.
  ASSERT_TRUE(front->submit(hello_request(), {}, std::string(10'000, 'b')));
  Claim again;
  ASSERT_TRUE(worker->claim(again));
  EXPECT_EQ(again.inline_body, std::string(10'000, 'b'));
}

TEST_F(FrontWorkerTest, AWebSocketBeginsWithItsHead) {
  submit();
  Claim claimed = claim();
  worker_->send_up(claimed, UpKind::kWebSocketMessage, 1, "early");
  front_->drain();
  ASSERT_EQ(receiver_.broken.size(), 1u);
  EXPECT_TRUE(receiver_.frames.empty());
}

}  // namespace
}  // namespace cutwater::link
