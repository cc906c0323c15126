#include <gtest/gtest.h>

#include "serve/test_server.h"

namespace cutwater::serve {
namespace {

using namespace test;

TEST(Connection, AnswersAndKeepsAlive) {
  TestServer server;
  Client client(server);
  for (int round = 1; round <= 3; ++round) {
    client.received.clear();
    ASSERT_TRUE(client.send(get("/a")));
    ASSERT_TRUE(client.receive_text("hello /a"));
    EXPECT_EQ(client.received.find("HTTP/1.1 200 OK\r\n"), 0u);
    EXPECT_NE(client.received.find("\r\nContent-Length: 8\r\n"), std::string::npos);
    EXPECT_NE(client.received.find("\r\nDate: "), std::string::npos);
    EXPECT_EQ(client.received.find("Connection:"), std::string::npos);
  }
  EXPECT_FALSE(client.ended);
  EXPECT_EQ(server.server->connections(), 1u);
  client.leave();
  EXPECT_TRUE(server.run_until([&] { return server.server->connections() == 0; }));
  EXPECT_EQ(server.observer.entries.size(), 3u);
  EXPECT_EQ(server.observer.entries[0].summary.body_bytes_sent, 8u);
}

TEST(Connection, TrailersGoToWhoTakesThem) {
  TestServer server;
  server.handler.special = [](Exchange& exchange) -> base::Task<void> {
    auto opening = exchange.response.head(Response(), "body", false);
    co_await opening;
    message::Headers fields;
    fields.add("Digest", "x");
    exchange.response.trailers(fields);
    auto ending = exchange.response.finish();
    co_await ending;
  };
  Client client(server);
  client.send(get("/", "Connection: TE\r\nTE: trailers\r\n") + get("/"));
  ASSERT_TRUE(client.receive_text("\r\n0\r\n\r\n"));
  EXPECT_EQ(client.count("4\r\nbody\r\n0\r\nDigest: x\r\n\r\n"), 1u);
  EXPECT_EQ(client.count("Digest"), 1u);
}

TEST(Connection, ClosesWhenTheClientAsksForIt) {
  TestServer server;
  Client client(server);
  client.send(get("/a", "Connection: close\r\n"));
  ASSERT_TRUE(client.receive_to_end());
  EXPECT_TRUE(client.ended);
  EXPECT_NE(client.received.find("\r\nConnection: close\r\n"), std::string::npos);
  EXPECT_TRUE(client.received.ends_with("hello /a"));
}

TEST(Connection, PipelinedRequestsAreAnsweredInOrder) {
  TestServer server;
  Client client(server);
  std::string all;
  for (int number = 0; number < 100; ++number) all += get("/" + std::to_string(number));
  client.send(all);
  ASSERT_TRUE(client.receive_text("hello /99"));
  size_t at = 0;
  for (int number = 0; number < 100; ++number) {
    at = client.received.find("hello /" + std::to_string(number), at);
    ASSERT_NE(at, std::string::npos) << number;
  }
  EXPECT_EQ(client.count("HTTP/1.1 200"), 100u);
}

TEST(Connection, ReadingIsPausedWhileARequestRuns) {
  TestServer server;
  Client client(server);
  client.send(get("/wait") + get("/after"));
  server.run_for(20);
  EXPECT_EQ(server.handler.requests, 1);
  client.send(get("/later"));
  server.run_for(20);
  EXPECT_EQ(server.handler.requests, 1);
  server.loop.post([&] { server.handler.gate.let_go(); });
  ASSERT_TRUE(client.receive_text("hello /later"));
  EXPECT_LT(client.received.find("waited"), client.received.find("hello /after"));
}

TEST(Connection, GoodThenBadGetsBothAnswersThenCloses) {
  TestServer server;
  Client client(server);
  client.send(get("/a") + "GET /b HTTP/1.1\r\nHost: a\r\nBad Header: x\r\n\r\n" + get("/never"));
  ASSERT_TRUE(client.receive_until([&] { return client.count("Bad Request\n") == 1; }));
  client.finish_sending();
  ASSERT_TRUE(client.receive_to_end());
  EXPECT_TRUE(client.ended);
  EXPECT_EQ(client.count("HTTP/1.1 "), 2u);
  EXPECT_EQ(client.count("HTTP/1.1 400 "), 1u);
  EXPECT_EQ(server.handler.requests, 1);
  ASSERT_EQ(server.observer.entries.size(), 2u);
  EXPECT_EQ(server.observer.entries[1].method, "");
  EXPECT_EQ(server.observer.entries[1].summary.status, 400);
  EXPECT_NE(server.observer.entries[1].refused, "");
}

// Every cut of a conversation gives the same answers.
TEST(Connection, SplitAtEveryByte) {
  TestServer server;
  const std::string conversation = get("/a") + post("/echo", "hello body") +
                                   "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                                   "5\r\nchunk\r\n3;x=y\r\ned!\r\n0\r\nX-T: 1\r\n\r\n" +
                                   get("/z", "Connection: close\r\n");
  for (size_t cut = 1; cut < conversation.size(); ++cut) {
    Client client(server);
    ASSERT_TRUE(client.send(conversation.substr(0, cut)));
    server.run_until([] { return true; });
    server.run_until([] { return true; });
    ASSERT_TRUE(client.send(conversation.substr(cut)));
    ASSERT_TRUE(client.receive_to_end()) << cut;
    ASSERT_EQ(client.count("HTTP/1.1 200 OK"), 4u) << cut << client.received;
    ASSERT_NE(client.received.find("hello body"), std::string::npos) << cut;
    ASSERT_NE(client.received.find("chunked!"), std::string::npos) << cut;
    ASSERT_TRUE(client.received.ends_with("hello /z")) << cut;
  }
}

TEST(Connection, ByteByByte) {
  TestServer server;
  Client client(server);
  for (char byte : post("/echo", "slow but steady")) {
    ASSERT_TRUE(client.send({&byte, 1}));
    server.run_until([] { return true; });
  }
  ASSERT_TRUE(client.receive_text("slow but steady"));
}

TEST(Connection, HeadRequestsAndBodilessStatuses) {
  TestServer server;
  Client client(server);
  client.send("HEAD /a HTTP/1.1\r\nHost: a\r\n\r\n" + get("/no-content") + get("/not-modified") + get("/end"));
  ASSERT_TRUE(client.receive_text("hello /end"));
  EXPECT_EQ(client.count("HTTP/1.1 "), 4u);
  EXPECT_EQ(client.count("hello "), 1u);
  EXPECT_EQ(client.received.find("must not"), std::string::npos);
  EXPECT_EQ(client.received.find("nor this"), std::string::npos);
  EXPECT_NE(client.received.find("Content-Length: 8\r\n"), std::string::npos);
}

TEST(Connection, ARefusedHeadRequestGetsNoBody) {
  const std::string rests[] = {"HEAD / HTTP/2.0\r\nHost: a\r\n\r\n", "HEAD /" + std::string(20'000, 'a'),
                               "HEAD / HTTP/1.1\r\nHost: a\r\nX: \1\r\n\r\n",
                               "\r\nHEAD / HTTP/1.1\r\nHost: a\r\nX: " + std::string(20'000, 'a'),
                               "HEAD / HTTP/1.1\r\nHost: a b\r\n\r\n"};
  for (const std::string& request : rests) {
    TestServer server;
    Client client(server);
    client.send(get("/a") + request);
    ASSERT_TRUE(client.receive_to_end()) << request.substr(0, 40);
    EXPECT_EQ(client.count("HTTP/1.1 "), 2u);
    EXPECT_TRUE(client.received.ends_with("\r\n\r\n")) << client.received;
  }
}

TEST(Connection, WithoutKeepAliveItSaysSo) {
  ServeOptions options;
  options.keepalive = base::Duration(0);
  TestServer server(options);
  Client client(server);
  client.send(get("/a"));
  ASSERT_TRUE(client.receive_to_end());
  EXPECT_NE(client.received.find("\r\nConnection: close\r\n"), std::string::npos);
}

TEST(Connection, StreamedResponseIsChunkedOrUntilClose) {
  TestServer server;
  Client client(server);
  client.send(get("/stream") + get("/a"));
  ASSERT_TRUE(client.receive_text("hello /a"));
  EXPECT_NE(client.received.find("Transfer-Encoding: chunked\r\n"), std::string::npos);
  EXPECT_NE(client.received.find("4\r\none \r\n4\r\ntwo \r\n5\r\nthree\r\n0\r\n\r\nHTTP/1.1"), std::string::npos);
  Client old(server);
  old.send("GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  ASSERT_TRUE(old.receive_to_end());
  EXPECT_TRUE(old.ended);
  EXPECT_TRUE(old.received.ends_with("\r\n\r\none two three"));
}

TEST(Connection, Http10KeepsAliveOnlyWhenAsked) {
  TestServer server;
  Client closing(server);
  closing.send("GET /a HTTP/1.0\r\n\r\n");
  ASSERT_TRUE(closing.receive_to_end());
  EXPECT_TRUE(closing.ended);
  Client keeping(server);
  keeping.send("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  ASSERT_TRUE(keeping.receive_text("hello /a"));
  EXPECT_NE(keeping.received.find("Connection: keep-alive\r\n"), std::string::npos);
  keeping.send("GET /b HTTP/1.0\r\n\r\n");
  ASSERT_TRUE(keeping.receive_to_end());
  EXPECT_TRUE(keeping.received.ends_with("hello /b"));
}

TEST(Connection, AnswersForTheServerItself) {
  TestServer server;
  Client client(server);
  client.send("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n" + get("/a"));
  ASSERT_TRUE(client.receive_text("hello /a"));
  EXPECT_EQ(client.received.find("HTTP/1.1 204 "), 0u);
  EXPECT_NE(client.received.find("Allow: GET, "), std::string::npos);
  for (const char* request : {"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"}) {
    Client other(server);
    other.send(request);
    ASSERT_TRUE(other.receive_text("Method Not Allowed\n"));
    EXPECT_EQ(other.received.find("HTTP/1.1 405 "), 0u);
    EXPECT_NE(other.received.find("\r\nAllow: "), std::string::npos);
    EXPECT_NE(other.received.find("\r\nConnection: close\r\n"), std::string::npos);
  }
}

TEST(Connection, RefusedHeadsGetOneAnswerAndOneReport) {
  const std::pair<std::string, const char*> cases[] = {
      {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", "505"},
      {"GET /" + std::string(20'000, 'x') + " HTTP/1.1\r\nHost: a\r\n\r\n", "414"},
      {get("/", "X: " + std::string(20'000, 'x') + "\r\n"), "431"},
      {get("/", "Expect: something\r\n"), "417"},
      {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "501"},
      {"GET / HTTP/1.1\r\n\r\n", "400"},
      {"\x16\x03\x01\x02", "400"},
      {"GET /a HTTP/1.1\r\nHost: a\r\nX-Refuse: 1\r\n\r\n", "400"},
  };
  for (const auto& [request, status] : cases) {
    TestServer server;
    Client client(server);
    client.send(request);
    ASSERT_TRUE(client.receive_until([&] { return client.received.ends_with("\n"); })) << request.substr(0, 60);
    client.finish_sending();
    ASSERT_TRUE(client.receive_to_end());
    EXPECT_TRUE(client.ended);
    EXPECT_EQ(client.received.find("HTTP/1.1 " + std::string(status)), 0u) << client.received;
    EXPECT_EQ(client.count("HTTP/1.1 "), 1u);
    EXPECT_NE(client.received.find("\r\nConnection: close\r\n"), std::string::npos);
    EXPECT_EQ(server.handler.requests, 0);
    ASSERT_EQ(server.observer.entries.size(), 1u);
    EXPECT_NE(server.observer.entries[0].refused, "");
  }
}

TEST(Connection, SaysWhyItRefusedOnlyWhenAskedTo) {
  const std::string chunked = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::pair<std::string, const char*> cases[] = {
      {"GET /\r HTTP/1.1\r\n", "127.0.0.1: 400, bare carriage return in head"},
      {"GET / HTTP/1.1\r\n\r\n", "127.0.0.1: 400, no Host"},
      {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", "127.0.0.1: 505, HTTP version not supported"},
      {"GET /" + std::string(20'000, 'x'), "127.0.0.1: 414, request line too long"},
      {"GET / HTTP/1.1\r\nHost: a\r\nX-Refuse: \x1b[1m\r\n\r\n", "127.0.0.1: 400, control byte in head"},
      {chunked + "5\r\nhello!!\r\n", "127.0.0.1: 400, chunk data longer than its size"},
      {chunked + "fffffffffffffff\r\n", "127.0.0.1: 413, chunked body over the limit"},
  };
  for (const bool asked : {true, false}) {
    for (const auto& [request, line] : cases) {
      ServeOptions options;
      options.log_refusals = asked;
      TestServer server(options);
      Client client(server);
      client.send(request);
      client.finish_sending();
      ASSERT_TRUE(client.receive_to_end());
      EXPECT_EQ(server.log.lines, asked ? std::vector<std::string>{line} : std::vector<std::string>()) << line;
    }
  }
}

TEST(Connection, EarlyHintsAndFailures) {
  TestServer server;
  Client client(server);
  client.send(get("/hints") + get("/silent") + get("/throw") + get("/a"));
  ASSERT_TRUE(client.receive_text("hello /a"));
  EXPECT_EQ(client.received.find("HTTP/1.1 103 Early Hints\r\nLink: "), 0u);
  EXPECT_EQ(client.count("HTTP/1.1 500 "), 2u);
  EXPECT_EQ(client.count("Internal Server Error\n"), 2u);
  ASSERT_EQ(server.log.lines.size(), 2u);
  EXPECT_NE(server.log.lines[1].find("the application broke"), std::string::npos);
  client.received.clear();
  client.send(get("/throw-late"));
  ASSERT_TRUE(client.receive_to_end());
  EXPECT_TRUE(client.received.ends_with("begun\r\n"));  // no last chunk
  EXPECT_TRUE(server.observer.entries.back().summary.aborted);
}

TEST(Connection, TheFilterDecidesWhoWasAsked) {
  TestServer server;
  const std::string port = std::to_string(server.listener->local_address().port);
  Client client(server);
  client.send(get("/where"));
  ASSERT_TRUE(client.receive_text("http a a " + port + " 127.0.0.1"));
  client.send("GET /where HTTP/1.1\r\nHost: B.example:81\r\n\r\n");
  ASSERT_TRUE(client.receive_text("http b.example:81 b.example 81 127.0.0.1"));
  client.send(get("/where", "X-Forwarded-Host: x\r\n"));
  ASSERT_TRUE(client.receive_text("http public.example:8443 public.example 8443"));
  Client old(server);
  old.send("GET /where HTTP/1.0\r\n\r\n");
  ASSERT_TRUE(old.receive_text("http 127.0.0.1:" + port + " 127.0.0.1 " + port));
}

TEST(Connection, ManyPipelinedRequestsShareTheLoop) {
  TestServer server;
  Client greedy(server);
  Client modest(server);
  std::string all;
  for (int number = 0; number < 3000; ++number) all += get("/x");
  greedy.send(all);
  modest.send(get("/modest"));
  EXPECT_TRUE(modest.receive_text("hello /modest"));
  EXPECT_TRUE(greedy.receive_until([&] { return greedy.count("hello /x") == 3000; }));
}

}  // namespace
}  // namespace cutwater::serve
