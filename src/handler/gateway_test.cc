// What a client gets of a server behind us, good ones and bad ones: faults.md 103-109, 116-118, 171.
#include "handler/gateway.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>

#include "handler/gateway_test_support.h"

namespace cutwater::handler {
namespace {

using Then = FakeAnswer::Then;

TEST_F(GatewayTest, PassesRequestAndAnswerOn) {
  FakeServer& api = server([](const std::string&) -> FakeAnswer {
    return {
        "HTTP/1.1 201 Made\r\nX-A: b\r\nX-Sendfile: /srv/secret\r\nKeep-Alive: timeout=5\r\nContent-Length: "
        "2\r\n\r\nok",
        Then::kKeep};
  });
  TestExchange exchange("POST", "/a");
  exchange.request.headers.add("X-Client", "yes");
  exchange.with_body({"hel", "lo"});
  ask(exchange);
  EXPECT_EQ(exchange.writer.status(), 201);
  EXPECT_EQ(exchange.writer.content, "ok");
  EXPECT_EQ(exchange.writer.header("X-A"), "b");
  EXPECT_EQ(exchange.writer.header("Keep-Alive"), "");
  EXPECT_EQ(exchange.writer.header("X-Sendfile"), "");
  EXPECT_EQ(exchange.writer.content_length, 2u);
  EXPECT_TRUE(exchange.writer.finished);
  ASSERT_EQ(api.requests.size(), 1u);
  EXPECT_TRUE(api.requests[0].starts_with("POST /a HTTP/1.1\r\nHost: localhost\r\nX-Client: yes\r\n"));
  EXPECT_TRUE(api.requests[0].ends_with("\r\nContent-Length: 5\r\n\r\nhello"));
}

TEST_F(GatewayTest, KeepsConnections) {
  FakeServer& api = server([](const std::string&) { return ok("x"); });
  for (int i = 0; i < 5; ++i) EXPECT_EQ(status_of(i % 2 ? "POST" : "GET"), 200);
  EXPECT_EQ(api.requests.size(), 5u);
  EXPECT_EQ(api.connections, 1);
}

TEST_F(GatewayTest, WithoutKeepaliveEachRequestHasItsOwn) {
  peer_options.keepalive = 0;
  FakeServer& api = server([](const std::string&) { return ok("x"); });
  EXPECT_EQ(status_of("GET"), 200);
  EXPECT_EQ(status_of("GET"), 200);
  EXPECT_EQ(api.connections, 2);
  EXPECT_NE(api.requests[0].find("\r\nConnection: close\r\n"), std::string::npos);
}

TEST_F(GatewayTest, EarlyHintsAndChunksAreStreamed) {
  server([](const std::string&) -> FakeAnswer {
    return {
        "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: "
        "chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
        Then::kKeep};
  });
  TestExchange exchange("GET", "/");
  ask(exchange);
  ASSERT_EQ(exchange.writer.hints.size(), 1u);
  EXPECT_EQ(exchange.writer.hints[0].first, "Link");
  EXPECT_EQ(exchange.writer.content, "abc");
  EXPECT_FALSE(exchange.writer.content_length.has_value());
  EXPECT_TRUE(exchange.writer.finished);
}

TEST_F(GatewayTest, ASlowClientHoldsTheServerBack) {
  const std::string body(4 << 20, 'x');
  server([&](const std::string&) { return ok(body); });
  TestExchange exchange("GET", "/");
  exchange.writer.held = true;
  exchange.start(gateway());
  runner.until([&] { return exchange.writer.head_sent(); });
  runner.turns(std::chrono::milliseconds(20));
  EXPECT_LT(exchange.writer.content.size(), 128u * 1024);
  exchange.writer.release();
  runner.until([&] { return exchange.done; });
  EXPECT_EQ(exchange.writer.content.size(), body.size());
}

TEST_F(GatewayTest, RefusedGoesToTheNext) {
  FakeServer& dead = server([](const std::string&) { return ok("dead"); });
  FakeServer& alive = server([](const std::string&) { return ok("alive"); });
  dead.die();
  for (int i = 0; i < 6; ++i) {
    TestExchange exchange("POST", "/");
    exchange.with_body({"body"});
    ask(exchange);
    EXPECT_EQ(exchange.writer.content, "alive");
  }
  EXPECT_EQ(alive.requests.size(), 6u);
  EXPECT_TRUE(logged("CW0602"));
  EXPECT_EQ(std::count_if(log.lines.begin(), log.lines.end(),
                          [](const std::string& line) { return line.starts_with("CW0603"); }),
            1);
}

TEST_F(GatewayTest, NobodyElse) {
  server([](const std::string&) { return ok(""); }).die();
  TestExchange exchange("GET", "/");
  ask(exchange);
  EXPECT_EQ(exchange.writer.status(), 502);
  EXPECT_NE(exchange.writer.content.find("<p>The application cannot be reached. Please try again"), std::string::npos);
  EXPECT_TRUE(logged("CW0602 upstream api: 127.0.0.1:"));
  EXPECT_NE(log.lines[0].find(" cannot be reached: Connection refused (GET /)\nfix: start that server"),
            std::string::npos)
      << log.lines[0];
}

// It runs, so nobody should be told to start it.
TEST_F(GatewayTest, AFullBacklogIsNoServerThatIsDown) {
  const std::string path = testing::TempDir() + "cutwater-backlog-" + std::to_string(::getpid());
  auto listening = io::open_listening_socket("unix:" + path, {.backlog = 0});
  ASSERT_TRUE(listening.ok());
  add_peer("unix:" + path);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  std::vector<base::FileDescriptor> waiting;
  do {
    waiting.emplace_back(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  } while (::connect(waiting.back().get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  ASSERT_EQ(errno, EAGAIN);
  EXPECT_EQ(status_of("GET", "/x"), 502);
  ::unlink(path.c_str());
  ASSERT_FALSE(log.lines.empty());
  EXPECT_NE(log.lines[0].find("cannot be reached: its backlog is full (GET /x)\nfix: it runs, but takes connections "),
            std::string::npos)
      << log.lines[0];
}

struct TooLong : GatewayTest, testing::WithParamInterface<GatewayProtocol> {};

TEST_P(TooLong, IsLoggedOnceAndNotSent) {
  options.protocol = GetParam();
  bool was_asked = false;
  server([&](const std::string&) {
    was_asked = true;
    return ok("");
  });
  const std::string value(70'000, 'x');
  for (int i = 0; i < 2; ++i) {
    TestExchange exchange("GET", "/long");
    exchange.request.headers.add("X-Long", value);
    ask(exchange);
    EXPECT_EQ(exchange.writer.status(), 431);
  }
  EXPECT_FALSE(was_asked);
  ASSERT_EQ(log.lines.size(), 1u);
  EXPECT_TRUE(
      log.lines[0].starts_with("CW0612 upstream api: GET /long was answered 431: its variables are longer than "))
      << log.lines[0];
  EXPECT_NE(log.lines[0].find("64 KiB"), std::string::npos);
  EXPECT_NE(log.lines[0].find("\nfix: lower limits.header"), std::string::npos);
}
INSTANTIATE_TEST_SUITE_P(Protocols, TooLong, testing::Values(GatewayProtocol::kUwsgi, GatewayProtocol::kScgi));

// faults.md 171. A backlog that is full answers no SYN.
TEST_F(GatewayTest, WhoTakesNoConnectionsIs503AtOnceAndBackLater) {
  peer_options.max_fails = 1;
  peer_options.fail_time = std::chrono::milliseconds(50);
  options.connect_timeout = std::chrono::milliseconds(10);
  auto socket = io::open_listening_socket("127.0.0.1:0", {.backlog = 0});
  ASSERT_TRUE(socket.ok());
  add_peer(io::to_text(*io::local_address_of(socket->get())));
  for (int i = 0; i < 8 && !group.peers()[0]->is_down(); ++i) {
    TestExchange fills("GET", "/");
    fills.start(gateway());
    runner.turns(std::chrono::milliseconds(15));
    fills.cancel();
  }
  EXPECT_TRUE(logged("CW0602"));
  log.lines.clear();
  TestExchange refused("GET", "/");
  ask(refused);
  EXPECT_EQ(refused.writer.status(), 503);
  EXPECT_EQ(refused.writer.header("Retry-After"), "1");
  EXPECT_TRUE(logged("CW0607"));
  EXPECT_FALSE(logged("CW0602")) << "nobody waited for it";
  io::Listener takes(loop, std::move(*socket), log, [](base::FileDescriptor, const io::Address&) {});
  runner.turns(std::chrono::milliseconds(60));
  EXPECT_EQ(status_of("GET"), 502);
  EXPECT_TRUE(logged("CW0604"));
}

TEST_F(GatewayTest, OneReasonDoesNotHideAnother) {
  const std::string_view wrong[] = {"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
                                    "HTTP/1.1 200 OK\r\nA B: x\r\n\r\n"};
  size_t asked = 0;
  server([&](const std::string&) { return FakeAnswer{std::string(wrong[asked++ / 2]), Then::kClose}; });
  for (int i = 0; i < 3; ++i) EXPECT_EQ(status_of("POST"), 502);
  EXPECT_EQ(std::count_if(log.lines.begin(), log.lines.end(),
                          [](const std::string& line) { return line.starts_with("CW0604"); }),
            2);
  EXPECT_NE(log.lines[0].find(" answer to POST /"), std::string::npos) << log.lines[0];
}

TEST_F(GatewayTest, WhoTakesNoConnectionsLeavesTimeToAskAnother) {
  options.timeout = std::chrono::milliseconds(400);
  auto socket = io::open_listening_socket("127.0.0.1:0", {.backlog = 0});
  ASSERT_TRUE(socket.ok());
  const std::string address = io::to_text(*io::local_address_of(socket->get()));
  std::vector<upstream::Connected> filling;
  for (int i = 0; i < 8; ++i) {
    filling.push_back(upstream::start_connecting(loop, upstream::resolve_peers(address)->front()));
  }
  add_peer(address);
  server([](const std::string&) { return ok("the other one"); });
  EXPECT_EQ(status_of("GET"), 200);
  EXPECT_TRUE(logged("CW0602"));
}

// One slow page must not take the others along, neither while the server is left alone nor while one request tries it.
TEST_F(GatewayTest, WhoLetsAnswersWaitIsAskedAsLongAsNobodyElseIsLeft) {
  peer_options.max_fails = 1;
  peer_options.fail_time = std::chrono::milliseconds(20);
  options.timeout = std::chrono::milliseconds(10);
  server([](const std::string& request) { return request.starts_with("GET /slow ") ? FakeAnswer{} : ok("fast"); });
  EXPECT_EQ(status_of("GET", "/slow"), 504);
  EXPECT_TRUE(logged("CW0603"));
  EXPECT_EQ(status_of("GET", "/slow"), 504);
  EXPECT_EQ(status_of("GET", "/fast"), 200);
  EXPECT_EQ(status_of("GET", "/slow"), 504);
  runner.turns(std::chrono::milliseconds(25));
  TestExchange trial("GET", "/slow");
  trial.start(gateway());
  EXPECT_EQ(status_of("GET", "/fast"), 200);
  runner.until([&] { return trial.done; });
  EXPECT_EQ(trial.writer.status(), 504);
  EXPECT_FALSE(logged("CW0607"));
}

// Otherwise whoever knows a path that makes the servers crash could have all others refused.
TEST_F(GatewayTest, WhoFailsAtOnceIsAskedAsLongAsNobodyElseIsLeft) {
  peer_options.max_fails = 1;
  const auto crash_at_times = [](const std::string& request) -> FakeAnswer {
    return request.starts_with("GET /crash ") ? FakeAnswer{"", Then::kClose} : ok("fine");
  };
  server(crash_at_times);
  server(crash_at_times);
  EXPECT_EQ(status_of("GET", "/crash"), 502);
  EXPECT_TRUE(group.peers()[0]->is_down() && group.peers()[1]->is_down());
  EXPECT_EQ(status_of("GET", "/crash"), 502);
  EXPECT_EQ(status_of("POST", "/"), 200);
  EXPECT_EQ(status_of("POST", "/"), 200);
  EXPECT_EQ(servers[0]->requests.size() + servers[1]->requests.size(), 6u);
  EXPECT_FALSE(logged("CW0607"));
}

TEST_F(GatewayTest, WhoRefusesAndIsTheOnlyOneIs503) {
  peer_options.max_fails = 1;
  server([](const std::string&) { return ok(""); }).die();
  EXPECT_EQ(status_of("GET"), 502);
  TestExchange refused("GET", "/");
  ask(refused);
  EXPECT_EQ(refused.writer.status(), 503);
  EXPECT_EQ(refused.writer.header("Retry-After"), "10");
  EXPECT_TRUE(logged("CW0607"));
}

// faults.md 117.
TEST_F(GatewayTest, OnlyWhatDoesNoHarmTwiceIsAskedAgain) {
  for (const char* method : {"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "POST", "PATCH"}) {
    SCOPED_TRACE(method);
    int asked = 0;
    const auto crash_once = [&](const std::string&) -> FakeAnswer {
      return ++asked == 1 ? FakeAnswer{"", Then::kClose} : ok("");
    };
    upstream::PeerGroup two("two", upstream::Balance::kRoundRobin);
    FakeServer one(loop, log, crash_once), other(loop, log, crash_once);
    for (FakeServer* each : {&one, &other}) {
      two.add(std::make_unique<upstream::Peer>(loop, upstream::resolve_peers(each->address())->front(), peer_options));
    }
    Gateway asking(options, two, loop, spool, log);
    TestExchange exchange(method, "/");
    exchange.start(asking);
    runner.until([&] { return exchange.done; });
    const bool harmless = std::string_view(method) != "POST" && std::string_view(method) != "PATCH";
    EXPECT_EQ(exchange.writer.status(), harmless ? 200 : 502);
    EXPECT_EQ(asked, harmless ? 2 : 1);
    EXPECT_TRUE(one.requests.size() <= 1 && other.requests.size() <= 1);
  }
}

TEST_F(GatewayTest, RetriesAreBounded) {
  options.retries = 2;
  int asked = 0;
  for (int i = 0; i < 5; ++i) {
    server([&](const std::string&) -> FakeAnswer {
      ++asked;
      return {"", Then::kReset};
    });
  }
  EXPECT_EQ(status_of("GET"), 502);
  EXPECT_EQ(asked, 3);
}

TEST_F(GatewayTest, NoTryBeginsAfterTheTimeout) {
  options.retries = 4;
  options.timeout = std::chrono::milliseconds(200);
  for (int i = 0; i < 5; ++i) server([](const std::string&) { return FakeAnswer{}; });
  TestExchange exchange("GET", "/");
  exchange.start(gateway());
  const auto asked = [&] {
    size_t count = 0;
    for (const auto& each : servers) count += each->requests.size();
    return count;
  };
  for (size_t tries = 1; tries <= 2; ++tries) {
    runner.until([&] { return asked() == tries; });
    runner.turns(std::chrono::milliseconds(120));
    for (const auto& each : servers) each->reset_all();
  }
  runner.until([&] { return exchange.done; });
  EXPECT_EQ(exchange.writer.status(), 502);
  EXPECT_EQ(asked(), 2u);
}

TEST_F(GatewayTest, ASmallBodyIsSentAgain) {
  int asked = 0;
  const auto crash_once = [&](const std::string&) -> FakeAnswer {
    return ++asked == 1 ? FakeAnswer{"", Then::kClose} : ok("");
  };
  FakeServer& one = server(crash_once);
  FakeServer& two = server(crash_once);
  TestExchange exchange("PUT", "/");
  exchange.with_body({"hel", "lo"});
  ask(exchange);
  EXPECT_EQ(exchange.writer.status(), 200);
  ASSERT_EQ(one.requests.size() + two.requests.size(), 2u);
  EXPECT_TRUE(two.requests.at(0).ends_with("\r\n\r\nhello"));
  EXPECT_TRUE(one.requests.at(0).ends_with("\r\n\r\nhello"));
}

TEST_F(GatewayTest, ALargeBodyThatWasReadCannotBe) {
  int asked = 0;
  const auto crash = [&](const std::string&) -> FakeAnswer {
    ++asked;
    return {"", Then::kClose};
  };
  server(crash);
  server(crash);
  TestExchange exchange("PUT", "/");
  exchange.with_body({std::string(60'000, 'a'), std::string(60'000, 'b')});
  ask(exchange);
  EXPECT_EQ(exchange.writer.status(), 502);
  EXPECT_EQ(asked, 1);
}

// Unless it was collected: in memory, or in the spool file.
TEST_F(GatewayTest, ACollectedBodyIsSentAgainWhateverItsSize) {
  options.buffer = true;
  int asked = 0;
  const auto crash_once = [&](const std::string&) -> FakeAnswer {
    return ++asked == 1 ? FakeAnswer{"", Then::kClose} : ok("");
  };
  FakeServer& one = server(crash_once);
  FakeServer& two = server(crash_once);
  TestExchange exchange("PUT", "/");
  exchange.with_body({std::string(400'000, 'a'), std::string(600'000, 'b')});
  ask(exchange);
  EXPECT_EQ(exchange.writer.status(), 200);
  const std::string whole = std::string(400'000, 'a') + std::string(600'000, 'b');
  for (FakeServer* each : {&one, &two}) {
    ASSERT_EQ(each->requests.size(), 1u);
    EXPECT_TRUE(each->requests[0].ends_with("\r\nContent-Length: 1000000\r\n\r\n" + whole));
  }
}

TEST_F(GatewayTest, ACollectedBodyThatWasRefusedIsSentElsewhereWhateverTheMethod) {
  options.buffer = true;
  server([](const std::string&) { return ok("dead"); }).die();
  FakeServer& alive = server([](const std::string&) { return ok("alive"); });
  for (int i = 0; i < 2; ++i) {
    TestExchange exchange("POST", "/");
    exchange.with_body({std::string(200'000, 'a')});
    ask(exchange);
    EXPECT_EQ(exchange.writer.content, "alive");
  }
  EXPECT_TRUE(alive.requests.at(1).ends_with(std::string(200'000, 'a')));
}

TEST_F(GatewayTest, AnAnswerCutWithinItsHeadIsAskedForElsewhere) {
  peer_options.max_fails = 0;
  for (Then then : {Then::kClose, Then::kReset}) {
    for (const char* method : {"GET", "POST"}) {
      int asked = 0;
      const auto cut_once = [&](const std::string&) -> FakeAnswer {
        return ++asked == 1 ? FakeAnswer{"HTTP/1.1 200 OK\r\nX-", then} : ok("whole");
      };
      upstream::PeerGroup two("two", upstream::Balance::kRoundRobin);
      FakeServer one(loop, log, cut_once), other(loop, log, cut_once);
      for (FakeServer* each : {&one, &other})
        two.add(
            std::make_unique<upstream::Peer>(loop, upstream::resolve_peers(each->address())->front(), peer_options));
      Gateway asking(options, two, loop, spool, log);
      TestExchange exchange(method, "/");
      exchange.start(asking);
      runner.until([&] { return exchange.done; });
      const bool harmless = std::string_view(method) == "GET";
      EXPECT_EQ(exchange.writer.status(), harmless ? 200 : 502);
      EXPECT_EQ(asked, harmless ? 2 : 1);
    }
  }
  EXPECT_TRUE(logged("CW0604 upstream two: "));
}

TEST_F(GatewayTest, ButNotOnceTheClientHasHints) {
  const auto hint = [](const std::string&) -> FakeAnswer {
    return {"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200", Then::kClose};
  };
  server(hint);
  server(hint);
  TestExchange exchange("GET", "/");
  ask(exchange);
  EXPECT_EQ(exchange.writer.status(), 502);
  EXPECT_EQ(exchange.writer.hints.size(), 1u);
  EXPECT_EQ(servers[0]->requests.size() + servers[1]->requests.size(), 1u);
}

// A kept connection that ended meanwhile says nothing about the server.
TEST_F(GatewayTest, AStaleConnectionIsReplaced) {
  options.retries = 0;
  int asked = 0;
  FakeServer& api = server([&](const std::string&) -> FakeAnswer {
    return ++asked == 2 ? FakeAnswer{"", Then::kClose} : ok("x");  // takes the request, and is gone
  });
  EXPECT_EQ(status_of("GET"), 200);
  EXPECT_EQ(status_of("GET"), 200);
  EXPECT_EQ(api.requests.size(), 3u);
  EXPECT_EQ(api.connections, 2);
  EXPECT_TRUE(log.lines.empty());
}

TEST_F(GatewayTest, AStaleConnectionIsNotReplacedForAPost) {
  int asked = 0;
  FakeServer& api = server([&](const std::string&) -> FakeAnswer {
    return ++asked == 2 ? FakeAnswer{"", Then::kClose} : ok("x");
  });
  EXPECT_EQ(status_of("POST"), 200);
  EXPECT_EQ(status_of("POST"), 502);
  EXPECT_EQ(api.requests.size(), 2u);
  EXPECT_TRUE(logged("CW0604 upstream api: " + api.address() + " closed a kept connection"));
}

TEST_F(GatewayTest, ClientGoneForGoodFreesTheServer) {
  server([](const std::string&) -> FakeAnswer { return {"", Then::kKeep}; });
  TestExchange exchange("GET", "/");
  exchange.start(gateway());
  runner.until([&] { return !servers[0]->requests.empty(); });
  exchange.leave(false);
  runner.turns(std::chrono::milliseconds(2));
  EXPECT_FALSE(exchange.done);  // it may have closed its sending half alone
  exchange.leave(true);
  runner.until([&] { return exchange.done; });
  EXPECT_FALSE(exchange.writer.head_sent());
  EXPECT_TRUE(log.lines.empty());
}

// The last bytes wait for a slow client; the connection they came on is another request's already.
TEST_F(GatewayTest, WhoLeavesLateEndsNoOtherRequest) {
  FakeServer& api = server([](const std::string& request) -> FakeAnswer {
    return request.starts_with("GET /1 ") ? ok("one") : FakeAnswer{"", Then::kKeep};
  });
  TestExchange slow("GET", "/1");
  slow.writer.held = true;
  slow.start(gateway());
  runner.until([&] { return slow.writer.finished; });
  TestExchange other("GET", "/2");
  other.start(gateway());
  runner.until([&] { return api.requests.size() == 2; });
  slow.leave(true);
  runner.turns(std::chrono::milliseconds(5));
  EXPECT_FALSE(other.done);
  EXPECT_EQ(api.requests.size(), 2u);
  EXPECT_EQ(api.connections, 1);
  slow.writer.release();
  runner.until([&] { return slow.done; });
  other.leave(true);
  runner.until([&] { return other.done; });
  EXPECT_TRUE(log.lines.empty());
}

TEST_F(GatewayTest, BadBodiesAreTheClientsFault) {
  FakeServer& api = server([](const std::string&) { return ok(""); });
  const std::pair<message::BodyStatus, int> kCases[] = {{message::BodyStatus::kTooLarge, 413},
                                                        {message::BodyStatus::kMalformed, 400},
                                                        {message::BodyStatus::kTimedOut, 408},
                                                        {message::BodyStatus::kDisconnected, 0}};
  for (const auto& [end, status] : kCases) {
    for (bool chunked : {false, true}) {
      TestExchange exchange("POST", "/");
      exchange.with_body({"hel"});
      exchange.request.content_length = 5;
      if (chunked) exchange.request.framing = message::BodyFraming::kChunked;
      exchange.body.end = end;
      ask(exchange);
      EXPECT_EQ(exchange.writer.status(), status);
    }
  }
  EXPECT_TRUE(api.requests.empty());
  EXPECT_TRUE(log.lines.empty());
}

// faults.md 118.
TEST_F(GatewayTest, ALoopEndsIn508) {
  FakeServer& api = server([](const std::string&) { return ok(""); });
  TestExchange exchange("GET", "/");
  exchange.request.headers.add("CDN-Loop", "cutwater-test");
  ask(exchange);
  EXPECT_EQ(exchange.writer.status(), 508);
  EXPECT_TRUE(api.requests.empty());
  EXPECT_TRUE(logged("CW0606"));
}

TEST_F(GatewayTest, CancelledAtAnyMoment) {
  server([](const std::string&) { return ok(std::string(300'000, 'x')); });
  for (int turns = 0; turns < 12; ++turns) {
    TestExchange exchange("POST", "/");
    exchange.with_body({std::string(70'000, 'a'), "b"});
    exchange.start(gateway());
    int left = turns;
    runner.until([&] { return left-- == 0; });
    exchange.cancel();
  }
  EXPECT_EQ(status_of("GET"), 200);
}

}  // namespace
}  // namespace cutwater::handler
