// What a handler has of a connection that was switched to another protocol.
#include <gtest/gtest.h>

#include "serve/test_server.h"

namespace cutwater::serve {
namespace {

using namespace test;

constexpr std::string_view kOffer = "Connection: Upgrade\r\nUpgrade: echo\r\n";

// Takes the offer, then gives back what it gets, and says how that ended.
class EchoServer : public TestServer {
 public:
  explicit EchoServer(ServeOptions options = {}) : TestServer(options) {
    handler.special = [this](Exchange& exchange) { return echo(exchange); };
  }
  std::vector<BodyStatus> ends;
  std::vector<WriteStatus> writes;
  std::string greeting = "hello ";
  size_t pieces = SIZE_MAX;  // then it ends its direction by itself

 private:
  base::Task<void> echo(Exchange& exchange) {
    Response response;
    response.status = 101;
    response.upgrade = "echo";
    auto opening = exchange.response.head(response, greeting, false);
    writes.push_back(co_await opening);
    if (exchange.response.status() == 0) co_return exchange.response.abort();
    while (true) {
      if (pieces-- == 0) {
        auto ending = exchange.response.finish();
        writes.push_back(co_await ending);
      }
      auto reading = exchange.body.read();
      const BodyPiece piece = co_await reading;
      if (piece.status != BodyStatus::kPiece) {
        ends.push_back(piece.status);
        if (piece.status == BodyStatus::kDisconnected) co_return exchange.response.abort();
        auto ending = exchange.response.finish();
        writes.push_back(co_await ending);
        co_return;
      }
      received += piece.bytes;
      auto writing = exchange.response.body(piece.bytes, false);
      writes.push_back(co_await writing);
    }
  }

 public:
  std::string received;
};

TEST(ServedTunnel, CarriesBytesAsTheyAre) {
  EchoServer server;
  Client client(server);
  client.send(get("/", kOffer) + "early ");  // what looks like the next request is none
  ASSERT_TRUE(client.receive_text("\r\n\r\nhello early "));
  EXPECT_TRUE(client.received.starts_with("HTTP/1.1 101 Switching Protocols\r\n"));
  EXPECT_NE(client.received.find("\r\nConnection: Upgrade\r\nUpgrade: echo\r\n"), std::string::npos);
  client.send(get("/no-request"));
  ASSERT_TRUE(client.receive_text("early " + get("/no-request")));
  client.finish_sending();
  ASSERT_TRUE(client.receive_to_end());
  EXPECT_TRUE(client.ended);
  EXPECT_EQ(server.handler.requests, 1);
  EXPECT_EQ(server.ends, std::vector{BodyStatus::kEnd});
}

TEST(ServedTunnel, IsReportedOnceWithItsBytes) {
  EchoServer server;
  Client client(server);
  client.send(get("/", kOffer) + "12345");
  ASSERT_TRUE(client.receive_text("hello 12345"));
  EXPECT_TRUE(server.observer.entries.empty());  // as long as it lasts
  client.finish_sending();
  ASSERT_TRUE(client.receive_to_end());
  ASSERT_EQ(server.observer.entries.size(), 1u);
  const auto& summary = server.observer.entries[0].summary;
  EXPECT_EQ(summary.status, 101);
  EXPECT_EQ(summary.body_bytes_sent, 11u);
  EXPECT_FALSE(summary.aborted);
}

TEST(ServedTunnel, AnEndOfOurDirectionLeavesTheOther) {
  EchoServer server;
  server.pieces = 1;
  Client client(server);
  client.send(get("/", kOffer) + "one");
  ASSERT_TRUE(client.receive_to_end());
  EXPECT_TRUE(client.ended);
  EXPECT_TRUE(client.received.ends_with("hello one"));
  client.send("two");
  ASSERT_TRUE(server.run_until([&] { return server.received == "onetwo"; }));
  EXPECT_TRUE(server.ends.empty());
  client.finish_sending();
  ASSERT_TRUE(server.run_until([&] { return server.server->connections() == 0; }));
  EXPECT_EQ(server.observer.entries[0].summary.body_bytes_sent, 9u);
}

// No deadline of a head, a body or an idle connection holds here.
TEST(ServedTunnel, SilenceIsNoMatterOfTheConnection) {
  ServeOptions options;
  options.keepalive = options.header_timeout = options.body_grace = std::chrono::milliseconds(20);
  EchoServer server(options);
  Client client(server);
  client.send(get("/", kOffer));
  ASSERT_TRUE(client.receive_text("hello "));
  server.run_for(100);
  client.send("still here");
  ASSERT_TRUE(client.receive_text("hello still here"));
}

TEST(ServedTunnel, AResetOfTheClientIsNoEnd) {
  EchoServer server;
  Client client(server);
  client.send(get("/", kOffer));
  ASSERT_TRUE(client.receive_text("hello "));
  client.leave_with_reset();
  ASSERT_TRUE(server.run_until([&] { return server.server->connections() == 0; }));
  EXPECT_EQ(server.ends, std::vector{BodyStatus::kDisconnected});
  EXPECT_TRUE(server.observer.entries[0].summary.aborted);
}

TEST(ServedTunnel, AnAbortIsAReset) {
  EchoServer server;
  server.handler.special = [](Exchange& exchange) -> base::Task<void> {
    Response response;
    response.status = 101;
    response.upgrade = "echo";
    auto opening = exchange.response.head(response, "begun", false);
    co_await opening;
    exchange.response.abort();
  };
  Client client(server);
  client.send(get("/", kOffer));
  ASSERT_TRUE(client.receive_to_end());
  EXPECT_TRUE(client.reset);
}

TEST(ServedTunnel, ManyBytesArriveInOrderThroughASlowReader) {
  EchoServer server;
  server.greeting.clear();
  Client client(server, 4096);
  client.send(get("/", kOffer));
  ASSERT_TRUE(client.receive_text("\r\n\r\n"));
  client.received.clear();
  std::string bytes;
  for (int number = 0; bytes.size() < 3'000'000; ++number) bytes += std::to_string(number);
  size_t sent = 0;
  ASSERT_TRUE(client.receive_until([&] {
    const ssize_t count =
        ::send(client.descriptor(), bytes.data() + sent, bytes.size() - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count > 0) sent += static_cast<size_t>(count);
    return client.received.size() == bytes.size();
  }));
  EXPECT_EQ(client.received, bytes);
}

// Only who asked for it hears of another protocol.
TEST(ServedTunnel, IsOpenedForAnOfferAlone) {
  EchoServer server;
  Client client(server);
  client.send(get("/"));
  ASSERT_TRUE(client.receive_to_end());
  EXPECT_EQ(client.received, "");
}

TEST(ServedTunnel, EndsWithTheServer) {
  EchoServer server;
  Client client(server);
  client.send(get("/", kOffer));
  ASSERT_TRUE(client.receive_text("hello "));
  bool drained = false;
  server.server->drain([&] { drained = true; });
  client.send("goes on ");
  ASSERT_TRUE(client.receive_text("hello goes on "));
  EXPECT_FALSE(drained);
  server.server->close_all();
  ASSERT_TRUE(client.receive_to_end());
  ASSERT_EQ(server.observer.entries.size(), 1u);
  EXPECT_TRUE(server.observer.entries[0].summary.aborted);
}

}  // namespace
}  // namespace cutwater::serve
