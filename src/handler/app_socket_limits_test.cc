// WebSockets: what bounds a client, a worker, and the time they may take.
#include "handler/app_socket_test_support.h"

namespace cutwater::handler {
namespace {

using namespace std::string_literals;

class AppSocketLimits : public AppSocketTest {};

TEST_P(AppSocketLimits, LongMessagesGoInPiecesAsCreditComes) {
  auto& worker = start_one_worker();
  auto& socket = open(worker);
  const std::string content(200'000, 'm');
  socket.body.give(client_frame(0x82, content));
  std::string received;
  bool last = false;
  auto take_all = [&] {
    while (auto got = worker.receive()) {
      received += got->payload;
      last = (got->header.value & link::kMoreFollows) == 0;
      EXPECT_EQ(got->header.value & 0xff, 2u);
    }
  };
  runner_.until([&] {
    take_all();
    return received.size() >= link::kInitialBodyCredit;
  });
  runner_.turns(std::chrono::milliseconds(20));
  take_all();
  EXPECT_EQ(received.size(), link::kInitialBodyCredit);
  while (received.size() < content.size()) {
    const size_t before = received.size();
    send(worker, UpKind::kCredit, 20'000, "");
    runner_.until([&] {
      take_all();
      return received.size() > before;
    });
  }
  EXPECT_TRUE(last);
  EXPECT_EQ(received, content);
  socket.body.give(close_frame(1000));
  EXPECT_EQ(next(worker), "close 1000 ");
  until_done(socket);
}

// faults.md 147: each costs something.
TEST_P(AppSocketLimits, EmptyMessagesAreNotWithoutLimit) {
  auto& worker = start_one_worker();
  auto& socket = open(worker);
  std::string many;
  for (unsigned i = 0; i < link::kInitialBodyCredit + 100; ++i) many += client_frame(0x81, "");
  socket.body.give(many);
  size_t received = 0;
  auto take = [&] {
    while (worker.receive()) ++received;
    worker.prepare_to_wait();
    worker.awake();
    worker.wake_fronts();
  };
  runner_.until([&] {
    take();
    return received >= link::kInitialBodyCredit;
  });
  runner_.turns(std::chrono::milliseconds(20));
  take();
  EXPECT_EQ(received, link::kInitialBodyCredit);
  send(worker, UpKind::kCredit, 100, "");
  runner_.until([&] {
    take();
    return received == link::kInitialBodyCredit + 100;
  });
  socket.body.release();
  until_done(socket);
}

TEST_P(AppSocketLimits, ASlowClientHoldsTheWorkerBack) {
  auto& worker = start_one_worker();
  auto& socket = open(worker);
  socket.writer.held = true;
  const std::string piece(32 * 1024, 'x');
  for (int i = 0; i < 4; ++i) send(worker, UpKind::kWebSocketMessage, 2, piece);
  runner_.turns(std::chrono::milliseconds(20));
  EXPECT_FALSE(worker.receive());
  // Pongs wait too.
  const size_t before = socket.writer.content.size();
  socket.body.give(client_frame(0x89, "there?"));
  runner_.turns(std::chrono::milliseconds(20));
  EXPECT_EQ(socket.writer.content.size(), before);
  socket.writer.release();
  const link::DownFrame credit = frame(worker);
  EXPECT_EQ(static_cast<DownKind>(credit.header.kind), DownKind::kCredit);
  EXPECT_GE(credit.header.value, link::kInitialCredit / 2);
  runner_.until([&] { return socket.writer.content.find("\x8a\x06there?") != std::string::npos; });
  socket.body.give(close_frame(1000));
  until_done(socket);
}

// A client that is always behind, and never quite caught up with: all comes, in order, and is kept in little memory.
TEST_P(AppSocketLimits, SmallMessagesAreKeptTogether) {
  auto& worker = start_one_worker();
  auto& socket = open(worker);
  socket.writer.held = true;
  auto& request = *static_cast<AppRequest*>(socket.exchange.gone_listener);
  std::string expected;
  codec::websocket::MessageEncoder encoder(nullptr, 15);
  const size_t kSizes[] = {0, 1, 2, 62, 63, 64, 126, 1000, 5000, 20'000, 1, 0};
  size_t used = 0, credit = link::kInitialCredit, most_kept = 0, count = 0;
  auto take_credit = [&] {
    while (auto got = worker.receive()) {
      if (static_cast<DownKind>(got->header.kind) == DownKind::kCredit) credit += got->header.value;
    }
    worker.prepare_to_wait();
    worker.awake();
    worker.wake_fronts();
  };
  const base::Instant give_up = base::monotonic_now() + std::chrono::seconds(20);
  while (used < 1'000'000 && base::monotonic_now() < give_up) {
    const size_t size = count % 50 < 12 ? kSizes[count % 50] : 1;
    const bool text = count % 3 == 0, last = count % 7 != 0;
    if (credit >= std::max<size_t>(size, 1)) {
      const std::string content(size, static_cast<char>('a' + count % 26));
      const uint32_t value = (text ? 1U : 2U) | (last ? 0U : link::kMoreFollows);
      if (worker.send_up(claimed_, UpKind::kWebSocketMessage, value, content)) {
        encoder.append(expected, content, text, last);
        credit -= std::max<size_t>(size, 1);
        used += std::max<size_t>(size, 1);
        if (++count % 200 != 0) continue;
      }
    }
    worker.wake_fronts();
    runner_.turns(std::chrono::milliseconds(1));
    most_kept = std::max(most_kept, request.kept_items());
    if (credit < 30'000) socket.writer.take_one();
    take_credit();
  }
  EXPECT_GE(used, 1'000'000u);
  EXPECT_LE(most_kept, 64u);
  EXPECT_GE(most_kept, 2u);
  worker.wake_fronts();
  socket.writer.release();
  runner_.until([&] { return socket.writer.content.size() >= expected.size(); });
  EXPECT_TRUE(socket.writer.content == expected);
  socket.body.give(close_frame(1000));
  until_done(socket);
}

TEST_P(AppSocketLimits, MoreThanItsCreditIsRefused) {
  options_.websocket.close_timeout = std::chrono::milliseconds(50);
  auto& worker = start_one_worker();
  auto& socket = open(worker);
  socket.writer.held = true;
  const std::string piece(32 * 1024, 'x');
  for (int i = 0; i < 5; ++i) send(worker, UpKind::kWebSocketMessage, 2, piece);
  runner_.turns(std::chrono::milliseconds(20));
  socket.writer.release();
  until_done(socket);
  EXPECT_TRUE(socket.writer.content.ends_with(closed_with(1011)));
}

TEST_P(AppSocketLimits, PingsAreAnsweredAndFloodsBounded) {
  auto& worker = start_one_worker();
  auto& socket = open(worker);
  socket.body.give(client_frame(0x89, "one") + client_frame(0x8a, "unasked") + client_frame(0x89, ""));
  EXPECT_EQ(socket.writer.content, "\x8a\x03one\x8a\x00"s);
  socket.writer.content.clear();
  std::string flood;
  for (int i = 0; i < 10'000; ++i) flood += client_frame(0x89, "p");
  socket.body.give(flood + client_frame(0x89, "newest"));
  EXPECT_LT(socket.writer.content.size(), 5000u);
  EXPECT_TRUE(socket.writer.content.ends_with("\x8a\x06newest"));
  socket.body.release();
  until_done(socket);
}

TEST_P(AppSocketLimits, SilentClientsArePinged) {
  options_.websocket.ping_interval = options_.websocket.ping_timeout = std::chrono::milliseconds(50);
  auto& worker = start_one_worker();
  auto& socket = open(worker);
  const std::string ping = "\x89\x00"s;
  runner_.until([&] { return socket.writer.content == ping; });
  socket.body.give(client_frame(0x8a, ""));
  runner_.until([&] { return socket.writer.content == ping + ping; });
  EXPECT_FALSE(socket.done);
  until_done(socket);  // the second one is not answered
  EXPECT_TRUE(socket.writer.content.starts_with(ping + ping + closed_with(1011, "no answer to a ping")));
  EXPECT_TRUE(socket.writer.aborted);
  EXPECT_EQ(next(worker), "close 1006 ");
}

// A front's sockets share what they may leave unfinished.
TEST_P(AppSocketLimits, TheOneThatWouldHoldTooMuchWithTheOthersIsClosed) {
  static UnfinishedMessages all;  // outlives the sockets, whatever fails
  all.set_limit(10'000);
  options_.websocket.unfinished = &all;
  auto& worker = start_one_worker();
  auto& holder = open(worker);
  const link::Claim holders = claimed_;
  constexpr size_t kBegun = UnfinishedMessages::kFree + 7'000;
  holder.body.give(client_frame(0x02, std::string(kBegun, 'h')));
  EXPECT_EQ(all.held(), 7'000u);
  std::string received;
  bool ended = false;
  const auto take_all = [&] {  // of the holder's, so that the ring has room
    while (auto got = worker.receive()) {
      if (got->header.slot != holders.slot || got->header.generation != holders.generation) continue;
      received += got->payload;
      ended = (got->header.value & link::kMoreFollows) == 0;
    }
    return ended;
  };
  take_all();

  auto& other = open(worker);
  other.body.give(client_frame(0x02, std::string(kBegun, 'o')));
  EXPECT_TRUE(other.writer.content.ends_with(closed_with(1013, "too many long messages at once")));
  ASSERT_EQ(log_.lines.size(), 1u);
  EXPECT_TRUE(log_.lines[0].starts_with("CW0517 shop: ")) << log_.lines[0];
  EXPECT_NE(log_.lines[0].find("limits.websocket_unfinished allows, 9KB;"), std::string::npos) << log_.lines[0];
  EXPECT_NE(log_.lines[0].find("\nfix: raise limits.websocket_unfinished"), std::string::npos) << log_.lines[0];
  until_done(other);
  EXPECT_EQ(all.held(), 7'000u);
  EXPECT_FALSE(holder.done);

  claimed_ = holders;
  holder.body.give(client_frame(0x80, "end"));
  EXPECT_EQ(all.held(), 0u);
  send(worker, UpKind::kCredit, link::kInitialBodyCredit, "");
  runner_.until(take_all);
  EXPECT_EQ(received, std::string(kBegun, 'h') + "end");
  holder.body.give(client_frame(0x02, std::string(kBegun, 'h')));
  EXPECT_EQ(all.held(), 7'000u);
  holder.body.release();
  until_done(holder);
  EXPECT_EQ(all.held(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Fronts, AppSocketLimits, testing::Values(1, 2));

}  // namespace
}  // namespace cutwater::handler
