// Both ends in one process: the ordinary ways of a request.
#include "link/link_test_support.h"

namespace cutwater::link {
namespace {

TEST(FrontWorkerTest, SmallResponseIsOneFrameThatFreesTheSlot) {
  World world;
  NotingReceiver receiver;
  auto front = world.front(receiver);
  auto worker = world.worker(0, {front.get()});
  message::Request request = hello_request();

  auto ticket = front->submit(request, {.exchange_id = 7}, "");
  ASSERT_TRUE(ticket);
  EXPECT_EQ(front->in_use(), 1u);
  EXPECT_EQ(front->queued(), 1u);
  EXPECT_EQ(front->state(*ticket).kind, SlotState::kQueued);

  Claim claim;
  ASSERT_TRUE(worker->claim(claim));
  EXPECT_EQ(front->state(*ticket).kind, SlotState::kClaimed);
  EXPECT_EQ(front->queued(), 0u);
  message::Request seen;
  RequestExtras extras;
  ASSERT_TRUE(decode_request(claim.record, seen, extras));
  EXPECT_EQ(seen.path, "/a b");
  EXPECT_EQ(extras.exchange_id, 7u);

  SendResult sent = worker->send_response(claim, hello_response(), "hello", kComplete | kReleases);
  EXPECT_EQ(sent.status, SendResult::kSent);
  EXPECT_EQ(sent.body_bytes, 5u);
  EXPECT_TRUE(front->drain());
  ASSERT_EQ(receiver.frames.size(), 1u);
  EXPECT_EQ(receiver.frames[0].kind(), UpKind::kHead);
  EXPECT_EQ(receiver.frames[0].ticket, *ticket);
  std::string storage;
  message::Response response;
  std::string_view body;
  ASSERT_TRUE(read_head_payload(receiver.frames[0].payload, storage, response, body));
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(body, "hello");
  EXPECT_EQ(front->in_use(), 0u);
  EXPECT_FALSE(front->drain());
}

}  // namespace
}  // namespace cutwater::link
