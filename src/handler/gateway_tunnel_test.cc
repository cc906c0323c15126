// Offers to switch protocols, and what becomes of them at a gateway.
#include "codec/websocket/handshake.h"
#include "handler/gateway_protocol.h"
#include "handler/gateway_test_support.h"
#include "upstream/upstream_test_support.h"

namespace cutwater::handler {
namespace {

using Then = FakeAnswer::Then;

constexpr std::string_view kKey = "dGhlIHNhbXBsZSBub25jZQ==";

FakeAnswer switching(std::string_view protocol, std::string_view fields = "", std::string_view behind = "") {
  return {std::string("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ")
              .append(protocol)
              .append("\r\n")
              .append(fields)
              .append("\r\n")
              .append(behind),
          Then::kClose};
}

TEST_F(GatewayTest, ATunnelLastsUntilBothDirectionsEnd) {
  FakeServer& chat = server([](const std::string& request) {
    return request.starts_with("GET") ? switching("echo", "X-A: b\r\n", "behind it ") : ok("");
  });
  TestExchange exchange("GET", "/");
  exchange.request.upgrade = "echo";
  ask(exchange);
  EXPECT_EQ(exchange.writer.status(), 101);
  EXPECT_EQ(exchange.writer.header("X-A"), "b");
  EXPECT_EQ(exchange.writer.content, "behind it ");
  EXPECT_TRUE(exchange.writer.finished);
  EXPECT_NE(chat.requests[0].find("\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"), std::string::npos);
  // Its connection is not used again.
  EXPECT_EQ(status_of("POST"), 200);
  EXPECT_EQ(chat.connections, 2);
}

TEST_F(GatewayTest, AWebSocketIsPassedOnWithAKeyAlone) {
  FakeServer& chat = server([](const std::string& request) {
    if (request.find("Upgrade") == std::string::npos) return ok("ordinary");
    return switching("websocket", "Sec-WebSocket-Accept: " + codec::websocket::accept_of(kKey) + "\r\n");
  });
  for (bool has_key : {false, true}) {
    TestExchange exchange("GET", "/");
    exchange.request.upgrade = "websocket";
    if (has_key) exchange.request.headers.add("Sec-WebSocket-Key", kKey);
    ask(exchange);
    EXPECT_EQ(exchange.writer.status(), has_key ? 101 : 200);
  }
  EXPECT_EQ(chat.requests.size(), 2u);
}

TEST_F(GatewayTest, AnUnprovenWebSocketIs502) {
  server([](const std::string&) { return switching("websocket", "Sec-WebSocket-Accept: AAAA\r\n"); });
  TestExchange exchange("GET", "/");
  exchange.request.upgrade = "websocket";
  exchange.request.headers.add("Sec-WebSocket-Key", kKey);
  ask(exchange);
  EXPECT_EQ(exchange.writer.status(), 502);
  EXPECT_TRUE(logged("CW0604"));
}

struct NoErrors final : upstream::StderrSink {
  void on_stderr(std::string_view) override {}
};

// What uwsgi carries is HTTP's answer, not HTTP's connection.
TEST(GatewayProtocol, OnlyAnHttpServerMaySwitch) {
  io::Loop loop;
  upstream::LoopRunner runner(loop);
  for (GatewayProtocol protocol : {GatewayProtocol::kHttp, GatewayProtocol::kUwsgi}) {
    upstream::FarEnd far(loop);
    ScriptedBody source;
    message::Request request;
    upstream::RequestBody body(source, request);
    upstream::CallOptions options;
    NoErrors errors;
    auto call = make_call(protocol, {loop, *far.stream, "GET", body, options, errors, {"echo", ""}});
    upstream::CallStatus status = upstream::CallStatus::kNoAnswer;
    bool done = false;
    const auto ask = [&]() -> base::Task<void> {
      auto reading = call->read_head();
      status = co_await reading;
      done = true;
    };
    base::TaskSet tasks;
    call->begin("a request");
    tasks.start(ask());
    far.say(switching("echo").bytes);
    runner.until([&] { return done; });
    const bool may = protocol == GatewayProtocol::kHttp;
    EXPECT_EQ(status, may ? upstream::CallStatus::kFine : upstream::CallStatus::kBroken);
  }
}

}  // namespace
}  // namespace cutwater::handler
