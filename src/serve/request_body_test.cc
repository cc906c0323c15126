#include <gtest/gtest.h>

#include "serve/test_server.h"

namespace cutwater::serve {
namespace {

using namespace test;

constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

TEST(RequestBody, LargeBodiesArriveWhole) {
  TestServer server;
  Client client(server);
  std::string body;
  for (int number = 0; number < 300'000; ++number) body += static_cast<char>('a' + number % 23);
  ASSERT_TRUE(client.send(post("/echo", body) + get("/next")));
  ASSERT_TRUE(client.receive_text("hello /next"));
  EXPECT_EQ(server.handler.read_body, body);
  EXPECT_NE(client.received.find(body), std::string::npos);
}

TEST(RequestBody, ManySmallChunksArriveWholeBesideOtherConnections) {
  TestServer server;
  Client client(server);
  Client other(server);
  std::string chunks = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  std::string body;
  for (int number = 0; number < 20'000; ++number) {
    const std::string piece(1 + static_cast<size_t>(number % 9), static_cast<char>('a' + number % 26));
    chunks += std::to_string(piece.size()) + "\r\n" + piece + "\r\n";
    body += piece;
  }
  ASSERT_TRUE(client.send(chunks.substr(0, chunks.size() / 2)));
  other.send(get("/other"));  // takes the shared buffer
  ASSERT_TRUE(other.receive_text("hello /other"));
  ASSERT_TRUE(client.send(chunks.substr(chunks.size() / 2) + "0\r\n\r\n"));
  ASSERT_TRUE(client.receive_until([&] { return server.handler.ends.size() == 1; }));
  EXPECT_EQ(server.handler.read_body, body);
}

TEST(RequestBody, ExpectContinueOnlyWhenTheBodyIsWanted) {
  TestServer server;
  Client client(server);
  client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
  ASSERT_TRUE(client.receive_text(kContinue));
  EXPECT_EQ(client.received, kContinue);
  client.send("12345");
  ASSERT_TRUE(client.receive_text("12345"));
  // Not when the body is there already.
  Client eager(server);
  eager.send(post("/echo", "54321", "Expect: 100-continue\r\n"));
  ASSERT_TRUE(eager.receive_text("54321"));
  EXPECT_EQ(eager.received.find("100 Continue"), std::string::npos);
  // Not when the answer comes first: then the connection cannot go on.
  Client unread(server);
  unread.send("POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
  ASSERT_TRUE(unread.receive_text("early"));
  EXPECT_EQ(unread.received.find("HTTP/1.1 200"), 0u);
  EXPECT_NE(unread.received.find("Connection: close"), std::string::npos);
  unread.finish_sending();
  EXPECT_TRUE(unread.receive_to_end());
}

TEST(RequestBody, EarlyAnswerDrainsASmallBodyAndKeepsAlive) {
  TestServer server;
  Client client(server);
  client.send("POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 50000\r\n\r\n");
  ASSERT_TRUE(client.receive_text("early"));
  EXPECT_EQ(client.received.find("Connection: close"), std::string::npos);
  client.send(std::string(50'000, 'G') + get("/next"));
  ASSERT_TRUE(client.receive_text("hello /next"));
  EXPECT_EQ(client.count("HTTP/1.1 "), 2u);
}

TEST(RequestBody, EarlyAnswerToALargeBodyArrivesAndCloses) {
  TestServer server;
  Client client(server);
  client.send("POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\n\r\n");
  const bool sent = client.send(std::string(5'000'000, 'G'));  // never becomes a request, never a reset
  ASSERT_TRUE(client.receive_text("early"));
  EXPECT_TRUE(sent);
  EXPECT_NE(client.received.find("Connection: close"), std::string::npos);
  client.finish_sending();
  ASSERT_TRUE(client.receive_to_end());
  EXPECT_TRUE(client.ended);
  EXPECT_EQ(client.count("HTTP/1.1 "), 1u);
}

TEST(RequestBody, EarlyAnswerToAnEndlessChunkedBodyCloses) {
  TestServer server;
  Client client(server);
  std::string chunks = "POST /early HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int number = 0; number < 20; ++number) chunks += "2000\r\n" + std::string(0x2000, 'c') + "\r\n";
  ASSERT_TRUE(client.send(chunks));
  ASSERT_TRUE(client.receive_to_end());
  EXPECT_TRUE(client.ended);
  EXPECT_EQ(client.count("HTTP/1.1 "), 1u);
}

TEST(RequestBody, OverTheLimitGets413BeforeItIsSent) {
  ServeOptions options;
  options.body_limit = 1000;
  TestServer server(options);
  Client client(server);
  client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n");
  ASSERT_TRUE(client.receive_text("HTTP/1.1 413 "));
  EXPECT_EQ(client.received.find("HTTP/1.1 413 "), 0u);
  EXPECT_EQ(server.handler.requests, 0);
  Client chunked(server);
  chunked.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n" + std::string(1001, 'x'));
  ASSERT_TRUE(chunked.receive_text("HTTP/1.1 413 "));
  EXPECT_NE(chunked.received.find("Connection: close"), std::string::npos);
  EXPECT_EQ(server.handler.ends, std::vector<BodyStatus>{BodyStatus::kTooLarge});
  Client exact(server);
  exact.send(post("/echo", std::string(1000, 'y')));
  ASSERT_TRUE(exact.receive_text(std::string(1000, 'y')));
}

TEST(RequestBody, BrokenFramingEndsTheConnection) {
  TestServer server;
  Client client(server);
  client.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloXX" + get("/evil"));
  ASSERT_TRUE(client.receive_text("HTTP/1.1 400 "));
  EXPECT_NE(client.received.find("Connection: close"), std::string::npos);
  client.finish_sending();
  ASSERT_TRUE(client.receive_to_end());
  EXPECT_EQ(client.count("HTTP/1.1 "), 1u);
  EXPECT_EQ(server.handler.requests, 1);
  EXPECT_EQ(server.handler.ends, std::vector<BodyStatus>{BodyStatus::kMalformed});
}

TEST(RequestBody, EndOfStreamInsideIsAnErrorNotAnEnd) {
  for (const char* begun :
       {"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"}) {
    TestServer server;
    Client client(server);
    client.send(begun);
    client.finish_sending();
    ASSERT_TRUE(client.receive_to_end());
    EXPECT_EQ(client.received, "");
    EXPECT_EQ(server.handler.ends, std::vector<BodyStatus>{BodyStatus::kDisconnected});
    ASSERT_EQ(server.observer.entries.size(), 1u);
    EXPECT_EQ(server.observer.entries[0].summary.status, 0);
  }
}

TEST(RequestBody, BodiesOnGetAndDeleteAreConsumed) {
  TestServer server;
  Client client(server);
  client.send("GET /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nGET /" +
              std::string("DELETE /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n") +
              get("/end"));
  ASSERT_TRUE(client.receive_text("hello /end"));
  EXPECT_EQ(client.count("HTTP/1.1 200"), 3u);
}

TEST(RequestBody, SilenceGets408) {
  ServeOptions options;
  options.body_grace = std::chrono::milliseconds(50);
  TestServer server(options);
  Client client(server);
  client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n123");
  ASSERT_TRUE(client.receive_text("HTTP/1.1 408 "));
  EXPECT_NE(client.received.find("Connection: close"), std::string::npos);
  EXPECT_EQ(server.handler.ends, std::vector<BodyStatus>{BodyStatus::kTimedOut});
}

TEST(RequestBody, ATrickleBelowTheRateGets408) {
  ServeOptions options;
  options.body_grace = std::chrono::milliseconds(100);
  options.body_min_rate = 1000;
  TestServer server(options);
  Client client(server);
  client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n");
  const base::Instant began = base::monotonic_now();
  while (client.received.empty() && base::monotonic_now() - began < std::chrono::seconds(3)) {
    client.send("x");  // ten times slower than allowed, never silent for long
    client.receive_until([&] { return !client.received.empty(); }, 10);
  }
  EXPECT_EQ(client.received.find("HTTP/1.1 408 "), 0u);
  EXPECT_LT(base::monotonic_now() - began, std::chrono::seconds(3));
}

TEST(RequestBody, WithoutARateOnlySilenceEndsIt) {
  ServeOptions options;
  options.body_grace = std::chrono::milliseconds(20);
  options.send_timeout = std::chrono::milliseconds(400);
  options.body_min_rate = 0;
  TestServer server(options);
  Client client(server);
  client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n");
  for (int i = 0; i < 5; ++i) {
    server.run_for(60);
    client.send("x");
  }
  server.run_for(20);
  EXPECT_EQ(client.received, "");
  ASSERT_TRUE(client.receive_text("HTTP/1.1 408 "));
}

TEST(RequestBody, TheHandlersOwnPausesDoNotCount) {
  ServeOptions options;
  options.body_grace = std::chrono::milliseconds(50);
  TestServer server(options);
  Client client(server);
  client.send("POST /wait HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n");
  server.run_for(120);
  client.send("abc");
  server.loop.post([&] { server.handler.gate.let_go(); });
  ASSERT_TRUE(client.receive_text("waited"));
}

}  // namespace
}  // namespace cutwater::serve
