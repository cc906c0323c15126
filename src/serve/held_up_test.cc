// A body that nobody takes, on a FastCGI connection with others: those go on, and lose nothing by having waited.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "codec/fastcgi/name_value.h"
#include "codec/fastcgi/record.h"
#include "serve/body_spool.h"
#include "serve/streamed_body.h"
#include "serve/test_server.h"

namespace cutwater::serve {
namespace {

using codec::fastcgi::RecordType;

// In memory, with as much room as is said.
class MemorySpool final : public BodySpool {
 public:
  std::unique_ptr<SpooledBody> open() override { return std::make_unique<Body>(*this); }
  size_t room = SIZE_MAX;
  size_t appended = 0;

 private:
  class Body final : public SpooledBody {
   public:
    explicit Body(MemorySpool& spool) : spool_(spool) {}
    base::Task<bool> append(const std::string& bytes) override {
      if (bytes.size() > spool_.room - spool_.appended) co_return false;
      spool_.appended += bytes.size();
      bytes_ += bytes;
      co_return true;
    }
    base::Task<std::string> read(uint64_t offset, size_t length) override { co_return bytes_.substr(offset, length); }

   private:
    MemorySpool& spool_;
    std::string bytes_;
  };
};

std::string begin(uint16_t id, std::string_view path, size_t length, bool keep = true) {
  std::string bytes, pairs;
  const std::string digits = std::to_string(length);
  for (auto [name, value] : {std::pair(std::string_view("REQUEST_METHOD"), std::string_view("POST")),
                             {"REQUEST_URI", path},
                             {"CONTENT_LENGTH", digits}}) {
    codec::fastcgi::append_pair(pairs, name, value);
  }
  codec::fastcgi::append_begin_request(bytes, id, codec::fastcgi::Role::kResponder, keep);
  codec::fastcgi::append_stream(bytes, RecordType::kParams, id, pairs);
  codec::fastcgi::append_record(bytes, RecordType::kParams, id, {});
  return bytes;
}
std::string input(uint16_t id, std::string_view body) {
  std::string bytes;
  codec::fastcgi::append_stream(bytes, RecordType::kStdin, id, body);
  return bytes;
}
std::string end(uint16_t id) {
  std::string bytes;
  codec::fastcgi::append_record(bytes, RecordType::kStdin, id, {});
  return bytes;
}

std::string pattern(size_t size) {
  std::string body(size, '\0');
  uint32_t state = 1;
  for (char& byte : body) byte = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
  return body;
}

struct HeldUp : ::testing::Test {
  ServeOptions options(bool with_spool) {
    ServeOptions chosen;
    chosen.protocol = Protocol::kFastcgi;
    chosen.body_grace = std::chrono::milliseconds(300);
    if (with_spool) chosen.spool = &spool;
    return chosen;
  }
  MemorySpool spool;
};

TEST_F(HeldUp, OthersGoOn) {
  const std::string large = pattern(5'000'000);
  test::TestServer server(options(true));
  test::Client client(server);
  const std::string before = begin(1, "/late-echo", large.size()) + input(1, large) + end(1);
  ASSERT_TRUE(client.send(before + begin(2, "/echo", 5) + input(2, "hello") + end(2)));
  ASSERT_TRUE(client.receive_text("hello"));
  EXPECT_TRUE(server.handler.read_body == "hello");
  EXPECT_GT(spool.appended, size_t{4'000'000});
  server.handler.gate.let_go();
  ASSERT_TRUE(client.receive_until([&] { return client.received.size() > large.size(); }));
  EXPECT_TRUE(server.handler.read_body == large);
}

TEST_F(HeldUp, ASpoolWithoutRoomHoldsThemUpAndLosesNothing) {
  const std::string large = pattern(14'000'000);
  spool.room = 500'000;
  ServeOptions chosen = options(true);
  chosen.body_grace = std::chrono::seconds(2);
  test::TestServer server(chosen);
  test::Client client(server);
  std::string bytes = begin(2, "/echo", 5) + input(2, "hel") + begin(1, "/late-echo", large.size()) + input(1, large) +
                      end(1) + input(2, "lo") + end(2);
  size_t sent = 0;
  const auto send_on = [&] {
    while (sent < bytes.size()) {
      const ssize_t count = ::send(client.descriptor(), bytes.data() + sent, bytes.size() - sent, MSG_DONTWAIT);
      if (count <= 0) break;
      sent += static_cast<size_t>(count);
    }
    return sent == bytes.size();
  };
  EXPECT_FALSE(server.run_until(send_on, 2500)) << "longer than a body may be silent";
  server.handler.gate.let_go();
  ASSERT_TRUE(server.run_until(send_on));
  ASSERT_TRUE(client.receive_until([&] { return server.handler.ends.size() == 2; }));
  EXPECT_EQ(server.handler.ends, (std::vector<message::BodyStatus>{2, message::BodyStatus::kEnd}));
  EXPECT_TRUE(client.receive_text("hello"));
}

// Who cannot send another request is held back instead.
TEST_F(HeldUp, NothingIsSpooledOfTheOnlyRequest) {
  test::TestServer server(options(true));
  test::Client client(server);
  const std::string bytes = begin(1, "/late-echo", 40'000'000, false) + input(1, std::string(40'000'000, 'x'));
  size_t sent = 0;
  server.run_until(
      [&] {
        const ssize_t count = ::send(client.descriptor(), bytes.data() + sent, bytes.size() - sent, MSG_DONTWAIT);
        if (count > 0) sent += static_cast<size_t>(count);
        return sent == bytes.size();
      },
      500);
  EXPECT_LT(sent, bytes.size());
  EXPECT_EQ(spool.appended, 0u);
}

// The last piece is nobody's before the end has come: that is read, however much waits.
TEST_F(HeldUp, OneWhoseEndAloneIsMissingIsReadOn) {
  const std::string body = pattern(StreamedBody::kFull + 1);
  test::TestServer server(options(false));
  test::Client client(server);
  ASSERT_TRUE(client.send(begin(1, "/late-echo", body.size(), false) + input(1, body) + end(1)));
  EXPECT_FALSE(server.run_until([] { return false; }, 50)) << "time to read all there is";
  server.handler.gate.let_go();
  EXPECT_TRUE(client.receive_until([&] { return client.received.size() > body.size(); }));
  EXPECT_TRUE(server.handler.read_body == body);
}

TEST_F(HeldUp, WhoLeavesTakesWhatWasSpooledAway) {
  test::TestServer server(options(true));
  {
    test::Client client(server);
    ASSERT_TRUE(client.send(begin(1, "/late-echo", 9'000'000) + input(1, std::string(3'000'000, 'x'))));
    client.leave_with_reset();
  }
  server.handler.gate.let_go();
  EXPECT_TRUE(server.run_until([&] { return server.server->connections() == 0; }));
  EXPECT_EQ(server.handler.ends, std::vector<message::BodyStatus>{message::BodyStatus::kDisconnected});
}

class Feeder final : public BodyFeeder {
  void on_body_taken() override {}
};

TEST(StreamedBody, IsNotFullWhileTheEndAloneIsMissing) {
  io::Loop loop;
  const ServeOptions options;
  Feeder feeder;
  StreamedBody body(loop, options, feeder);
  body.begin(StreamedBody::kFull + 2);
  body.feed(std::string(StreamedBody::kFull + 1, 'x'));
  EXPECT_TRUE(body.full());
  body.feed("x");
  EXPECT_FALSE(body.full());
  body.end();
  EXPECT_TRUE(body.full());
}

TEST(StreamedBody, ACancelledReadIsNoSilence) {
  io::Loop loop;
  ServeOptions options;
  options.body_grace = std::chrono::milliseconds(20);
  Feeder feeder;
  StreamedBody body(loop, options, feeder);
  body.begin(5);
  std::vector<message::BodyStatus> seen;
  const auto read = [&]() -> base::Task<void> {
    auto reading = body.read();
    const message::BodyPiece piece = co_await reading;
    seen.push_back(piece.status);
  };
  base::TaskSet reads;
  reads.start(read());
  reads.cancel_all();
  io::Timer later(loop.timers(), [&] { loop.stop(); });
  later.set(loop.now() + std::chrono::milliseconds(60));
  loop.run();
  body.feed("hello");
  body.end();
  reads.start(read());
  EXPECT_EQ(seen, std::vector<message::BodyStatus>{message::BodyStatus::kPiece});
}

}  // namespace
}  // namespace cutwater::serve
