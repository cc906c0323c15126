// Answers that are none, break off, or never come (faults.md 1G), and what the client is told of them.
#include "handler/gateway_test_support.h"

namespace cutwater::handler {
namespace {

using Then = FakeAnswer::Then;

TEST_F(GatewayTest, WhatIsNoAnswerIs502) {
  std::string bytes;
  server([&](const std::string&) -> FakeAnswer { return {bytes, Then::kClose}; });
  for (const char* answer :
       {"garbage", "HTTP/1.1 2000 OK\r\n\r\n", "HTTP/1.1 200", "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nXYZ\r\n"}) {
    bytes = answer;
    made.reset();
    TestExchange exchange("GET", "/");
    ask(exchange);
    EXPECT_EQ(exchange.writer.status(), 502) << answer;
    EXPECT_FALSE(exchange.writer.aborted) << answer;
    group.peers()[0]->note_success();
  }
  EXPECT_TRUE(logged("CW0604"));
}

// The client is told what is true of its own request: of the last server that was asked for it.
TEST_F(GatewayTest, APageSaysWhy) {
  std::string bytes;
  FakeServer& api = server([&](const std::string&) -> FakeAnswer { return {bytes, Then::kClose}; });
  const auto page = [&] {
    TestExchange exchange("POST", "/");
    ask(exchange);
    EXPECT_EQ(exchange.writer.status(), 502);
    const std::string& content = exchange.writer.content;
    const size_t begin = content.find("<p>") + 3;
    return content.substr(begin, content.find("</p>") - begin);
  };
  EXPECT_EQ(page(), "The application stopped while answering. Please try again.");
  bytes = "HTTP/1.1 200 OK\r\nX-Half: of a";
  EXPECT_EQ(page(), "The application stopped while answering. Please try again.");
  bytes = "garbage\r\n\r\n";
  EXPECT_EQ(page(), "The application gave an answer that cannot be passed on.");
  group.peers()[0]->note_success();
  api.die();
  EXPECT_EQ(page(), "The application cannot be reached. Please try again in a moment.");
}

// faults.md 107.
TEST_F(GatewayTest, ATruncatedAnswerIsACutForTheClient) {
  std::string bytes;
  server([&](const std::string&) -> FakeAnswer { return {bytes, Then::kClose}; });
  for (const char* answer : {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel",
                             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n"}) {
    bytes = answer;
    TestExchange exchange("GET", "/");
    ask(exchange);
    EXPECT_EQ(exchange.writer.status(), 200);
    EXPECT_EQ(exchange.writer.content, "hel");
    EXPECT_TRUE(exchange.writer.aborted);
    EXPECT_FALSE(exchange.writer.finished);
  }
}

// Any visitor may ask for a page that fails behind its head: that is no reason to leave its server alone.
TEST_F(GatewayTest, AnAnswerThatBreaksOffIsNoFailureOfItsServer) {
  peer_options.max_fails = 2;
  server([](const std::string&) -> FakeAnswer {
    return {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", Then::kClose};
  });
  for (int i = 0; i < 5; ++i) EXPECT_EQ(status_of("GET"), 200);
  EXPECT_TRUE(logged("CW0604"));
  EXPECT_FALSE(logged("CW0603"));
}

TEST_F(GatewayTest, AResetIsNoEndOfABody) {
  FakeServer& api = server([](const std::string&) -> FakeAnswer {
    return {"HTTP/1.1 200 OK\r\n\r\nhalf of it", Then::kKeep};
  });
  TestExchange exchange("GET", "/");
  exchange.start(gateway());
  runner.until([&] { return exchange.writer.head_sent(); });
  EXPECT_EQ(api.requests.size(), 1u);
  api.reset_all();
  runner.until([&] { return exchange.done; });
  EXPECT_EQ(exchange.writer.content, "half of it");
  EXPECT_TRUE(exchange.writer.aborted);
}

// faults.md 108.
TEST_F(GatewayTest, WhatComesBehindAnAnswerMeetsNoOtherRequest) {
  FakeServer& api = server([](const std::string& request) -> FakeAnswer {
    FakeAnswer answer = ok(request.substr(4, 2));
    answer.bytes += ok("poison").bytes;
    return answer;
  });
  for (const char* path : {"/1", "/2", "/3"}) {
    TestExchange exchange("GET", path);
    ask(exchange);
    EXPECT_EQ(exchange.writer.content, path);
  }
  EXPECT_EQ(api.connections, 3);
}

TEST_F(GatewayTest, Silence) {
  options.timeout = std::chrono::milliseconds(30);
  FakeServer& api = server([](const std::string&) -> FakeAnswer { return {"", Then::kKeep}; });
  server([](const std::string&) -> FakeAnswer { return {"", Then::kKeep}; });
  EXPECT_EQ(status_of("GET"), 504);
  EXPECT_EQ(api.requests.size() + servers[1]->requests.size(), 1u);  // another one would take as long
  EXPECT_TRUE(logged("CW0605"));
}

TEST_F(GatewayTest, SilenceWithinTheBodyIsACut) {
  options.timeout = std::chrono::milliseconds(30);
  server([](const std::string&) -> FakeAnswer {
    return {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", Then::kKeep};
  });
  TestExchange exchange("GET", "/");
  ask(exchange);
  EXPECT_EQ(exchange.writer.status(), 200);
  EXPECT_TRUE(exchange.writer.aborted);
  EXPECT_TRUE(logged("CW0605 upstream api: " + servers[0]->address() + " fell silent in its answer to GET /"));
  EXPECT_FALSE(logged("CW0604"));
}

}  // namespace
}  // namespace cutwater::handler
