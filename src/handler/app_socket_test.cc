// WebSockets: how they open, carry messages and end.
#include "handler/app_socket.h"

#include "codec/websocket/handshake.h"
#include "handler/app_socket_test_support.h"

namespace cutwater::handler {
namespace {

using namespace std::string_literals;

TEST_P(AppSocketTest, CarriesMessagesBothWays) {
  auto& worker = start_one_worker();
  auto& socket = handshake();
  socket.start(app_);
  claimed_ = claim(worker);
  message::Request request;
  link::RequestExtras extras;
  ASSERT_TRUE(link::decode_request(claimed_.record, request, extras));
  EXPECT_TRUE(extras.websocket);
  accept(worker);
  runner_.until([&] { return socket.writer.head_sent(); });
  EXPECT_EQ(socket.writer.status(), 101);
  EXPECT_EQ(socket.writer.header("Sec-WebSocket-Accept"), codec::websocket::accept_of(kKey));
  EXPECT_EQ(socket.writer.header("Sec-WebSocket-Protocol"), "chat");
  EXPECT_EQ(socket.writer.header("Sec-WebSocket-Extensions"), "");
  socket.body.give(client_frame(0x81, "hello") + client_frame(2, "by") + client_frame(0x80, "tes"));
  EXPECT_EQ(next(worker), "message 1 hello");
  EXPECT_EQ(next(worker), "message 2 bytes");
  send(worker, UpKind::kWebSocketMessage, 1, "answer");
  send(worker, UpKind::kWebSocketMessage, 2 | link::kMoreFollows, "one");
  send(worker, UpKind::kWebSocketMessage, 2, "two");
  const std::string expected = "\x81\x06"s + "answer\x02\x03one\x80\x03two";
  runner_.until([&] { return socket.writer.content == expected; });
  // Closed by the client; the worker hears why, and what it still says is dropped.
  socket.body.give(close_frame(1000, "bye"));
  EXPECT_EQ(next(worker), "close 1000 bye");
  until_done(socket);
  EXPECT_EQ(socket.writer.content, expected + closed_with(1000));
  EXPECT_TRUE(socket.writer.finished);
  EXPECT_FALSE(socket.writer.aborted);
  send(worker, UpKind::kWebSocketMessage, 1, "late");
  release(worker);
  EXPECT_EQ(next(worker), "other 4 ");  // credit for it
  EXPECT_FALSE(worker.receive());
  EXPECT_TRUE(reports_.notes.empty());
}

TEST_P(AppSocketTest, TheWorkerMayRefuse) {
  auto& worker = start_one_worker();
  auto& socket = handshake();
  socket.start(app_);
  answer(worker, claim(worker), "not you");
  until_done(socket);
  EXPECT_EQ(socket.writer.status(), 200);
  EXPECT_EQ(socket.writer.content, "not you");
}

TEST_P(AppSocketTest, TheWorkerMayClose) {
  auto& worker = start_one_worker();
  auto& socket = open(worker);
  send(worker, UpKind::kWebSocketMessage, 1, "last words");
  send(worker, UpKind::kWebSocketClose, 4001, "enough");
  send(worker, UpKind::kEnd, link::kReleases, "");
  runner_.until([&] { return socket.writer.content.ends_with(closed_with(4001, "enough")); });
  EXPECT_FALSE(socket.done);
  socket.body.give(client_frame(0x81, "unheard") + close_frame(4001));
  until_done(socket);
  EXPECT_TRUE(socket.writer.finished);
  EXPECT_FALSE(socket.writer.aborted);
  EXPECT_TRUE(app_.current()->idle());
}

TEST_P(AppSocketTest, AHalfDoneClosingHandshakeEnds) {
  options_.websocket.close_timeout = std::chrono::milliseconds(100);
  auto& worker = start_one_worker();
  auto& socket = open(worker);
  send(worker, UpKind::kWebSocketClose, 1000, "");
  until_done(socket);
  EXPECT_TRUE(socket.writer.aborted);
  EXPECT_EQ(next(worker), "close 1006 ");
}

// The slot of a socket is the next request's at once, whatever its worker said at the end.
TEST_P(AppSocketTest, ARequestInTheSlotOfASocketIsNone) {
  auto& worker = start_one_worker();
  for (bool ends : {false, true}) {
    auto& socket = open(worker);
    socket.body.give(close_frame(1000));
    EXPECT_EQ(next(worker), "close 1000 ");
    until_done(socket);
    if (ends) send(worker, UpKind::kEnd, 0, "");
    release(worker);
    auto& leaver = get();
    const link::Claim left = claim(worker);
    EXPECT_EQ(left.slot, claimed_.slot);
    leaver.leave(true);
    EXPECT_EQ(static_cast<DownKind>(frame(worker).header.kind), DownKind::kDisconnect);
    worker.release(left);
    worker.wake_fronts();
    runner_.until([&] { return app_.current()->idle(); });
  }
  auto& socket = open(worker);
  socket.body.give(close_frame(1000));
  EXPECT_EQ(next(worker), "close 1000 ");
  until_done(socket);
  release(worker);
  auto& plain_one = get();
  const link::Claim claimed = claim(worker);
  app_.close_sockets();
  runner_.turns(std::chrono::milliseconds(20));
  EXPECT_FALSE(plain_one.done);
  answer(worker, claimed, "plain");
  until_done(plain_one);
  EXPECT_EQ(plain_one.writer.content, "plain");
}

TEST_P(AppSocketTest, TheFirstCloseCounts) {
  auto& worker = start_one_worker();
  auto& socket = open(worker);
  socket.writer.held = true;
  send(worker, UpKind::kWebSocketMessage, 1, "held");
  for (int i = 0; i < 100; ++i) send(worker, UpKind::kWebSocketClose, static_cast<uint32_t>(4000 + i), "enough");
  EXPECT_LE(static_cast<AppRequest*>(socket.exchange.gone_listener)->kept_items(), 2u);
  socket.writer.release();
  runner_.until([&] { return socket.writer.content.ends_with(closed_with(4000, "enough")); });
  socket.body.give(close_frame(4000));
  until_done(socket);
}

TEST_P(AppSocketTest, ALostClient) {
  auto& worker = start_one_worker();
  for (auto status : {message::BodyStatus::kEnd, message::BodyStatus::kDisconnected}) {
    auto& socket = open(worker);
    socket.body.end = status;
    socket.body.release();
    until_done(socket);
    EXPECT_EQ(next(worker), "close 1006 ");
    EXPECT_FALSE(worker.receive());
    EXPECT_EQ(socket.writer.aborted, status == message::BodyStatus::kDisconnected);
    release(worker);
  }
  auto& socket = open(worker);
  socket.leave(true);
  until_done(socket);
  EXPECT_EQ(next(worker), "close 1006 ");
  release(worker);
}

TEST_P(AppSocketTest, WhatAClientMustNotSend) {
  options_.websocket.message_limit = 100;
  auto& worker = start_one_worker();
  const std::pair<std::string, int> kCases[] = {
      {"\x81\x05hello", 1002}, {client_frame(0x81, "\xff"), 1007}, {client_frame(0x82, std::string(101, 'x')), 1009}};
  for (const auto& [bytes, code] : kCases) {
    auto& socket = open(worker);
    socket.body.give(bytes);
    until_done(socket);
    EXPECT_TRUE(next(worker).starts_with("close " + std::to_string(code)));
    EXPECT_EQ(socket.writer.content.substr(2, 2), (std::string{static_cast<char>(code >> 8), static_cast<char>(code)}));
    EXPECT_TRUE(socket.writer.finished);
    release(worker);
  }
}

TEST_P(AppSocketTest, ADeadWorker) {
  options_.websocket.close_timeout = std::chrono::milliseconds(100);
  auto& worker = start_one_worker();
  auto& socket = open(worker);
  generations_[0]->processes[0]->kill();
  until_done(socket);
  EXPECT_EQ(socket.writer.content, closed_with(1011));
}

TEST_P(AppSocketTest, HandshakesThatAreNone) {
  auto& worker = start_one_worker();
  auto refused = [&](std::string_view name, std::vector<std::string_view> values) {
    auto& exchange = handshake();
    exchange.request.headers.remove_all(name);
    for (std::string_view value : values) exchange.request.headers.add(name, value);
    exchange.start(app_);
    until_done(exchange);
    EXPECT_EQ(exchange.writer.header("Sec-WebSocket-Version"), exchange.writer.status() == 426 ? "13" : "");
    return exchange.writer.status();
  };
  EXPECT_EQ(refused("Sec-WebSocket-Version", {"99"}), 426);
  EXPECT_EQ(refused("Sec-WebSocket-Version", {"8"}), 426);
  EXPECT_EQ(refused("Sec-WebSocket-Version", {}), 400);
  EXPECT_EQ(refused("Sec-WebSocket-Version", {"13", "13"}), 400);
  EXPECT_EQ(refused("Sec-WebSocket-Key", {}), 400);
  EXPECT_EQ(refused("Sec-WebSocket-Key", {kKey, kKey}), 400);
  EXPECT_EQ(refused("Sec-WebSocket-Key", {"c2hvcnQ="}), 400);
  // What offers something else, or is no GET, is an ordinary request.
  for (bool post : {false, true}) {
    auto& exchange = handshake();
    exchange.request.upgrade = post ? "websocket" : "h3";
    if (post) exchange.request.method = "POST";
    exchange.start(app_);
    auto claimed = claim(worker);
    message::Request request;
    link::RequestExtras extras;
    ASSERT_TRUE(link::decode_request(claimed.record, request, extras));
    EXPECT_FALSE(extras.websocket);
    answer(worker, claimed, "ordinary");
    until_done(exchange);
  }
}

TEST_P(AppSocketTest, PagesOfOtherSitesMayNotOpenOne) {
  options_.websocket_origins = {"https://example.com", "http://*.friend.org:8080", "same"};
  auto& worker = start_one_worker();
  auto answered = [&](std::vector<std::string_view> origins, std::string_view host = "shop.example:8000") {
    auto& exchange = handshake();
    exchange.request.authority = host;
    for (std::string_view origin : origins) exchange.request.headers.add("Origin", origin);
    exchange.start(app_);
    if (exchange.done) return exchange.writer.status();
    answer(worker, claim(worker), "seen by the app");
    until_done(exchange);
    return exchange.writer.status();
  };
  for (std::string_view origin : {"https://example.com", "HTTPS://Example.com", "http://a.b.friend.org:8080",
                                  "http://shop.example:8000", "https://shop.example:8000"}) {
    EXPECT_EQ(answered({origin}), 200) << origin;
  }
  EXPECT_EQ(answered({}), 200);
  for (std::string_view origin :
       {"http://example.com", "https://example.com:444", "https://example.com.evil.org", "https://evilexample.com",
        "http://friend.org:8080", "http://.friend.org:8080", "http://evilfriend.org:8080", "https://a.friend.org:8080",
        "null", "", "same", "http://shop.example", "example.com"}) {
    EXPECT_EQ(answered({origin}), 403) << origin;
  }
  EXPECT_EQ(answered({"https://example.com", "https://evil.org"}), 403);
  EXPECT_EQ(answered({"http://"}, ""), 403);
  options_.websocket_origins = {};
}

TEST_P(AppSocketTest, ForOtherAppsItIsAnOrdinaryRequest) {
  options_.asynchronous = false;
  auto& worker = start_one_worker();
  auto& exchange = handshake();
  exchange.start(app_);
  auto claimed = claim(worker);
  message::Request request;
  link::RequestExtras extras;
  ASSERT_TRUE(link::decode_request(claimed.record, request, extras));
  EXPECT_FALSE(extras.websocket);
  answer(worker, claimed, "ordinary");
  until_done(exchange);
}

TEST_P(AppSocketTest, SwitchingOfWhatWasNotOfferedIsBroken) {
  auto& worker = start_one_worker();
  auto& exchange = get();
  claimed_ = claim(worker);
  accept(worker);
  until_done(exchange);
  EXPECT_EQ(exchange.writer.status(), 502);
  EXPECT_TRUE(noted("broken 1/0"));
}

TEST_P(AppSocketTest, CompressionIsNegotiated) {
  auto& worker = start_one_worker();
  auto& socket = handshake();
  socket.request.headers.add("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits");
  socket.start(app_);
  claimed_ = claim(worker);
  accept(worker);
  runner_.until([&] { return socket.writer.head_sent(); });
  EXPECT_EQ(socket.writer.header("Sec-WebSocket-Extensions"),
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover");
  socket.body.give(client_frame(0xc1, "\xf2\x48\xcd\xc9\xc9\x07\x00"s));
  EXPECT_EQ(next(worker), "message 1 Hello");
  send(worker, UpKind::kWebSocketMessage, 1, std::string(10'000, 'a'));
  runner_.until([&] { return !socket.writer.content.empty(); });
  EXPECT_EQ(socket.writer.content.front(), '\xc1');
  EXPECT_LT(socket.writer.content.size(), 200u);
  socket.body.release();
  until_done(socket);
}

TEST_P(AppSocketTest, SocketsOfAnOldGenerationGoOnForItsGrace) {
  options_.grace = std::chrono::milliseconds(300);
  auto& worker = start_one_worker();
  auto& socket = open(worker);
  auto& next_generation = add_generation(2);
  add_worker(next_generation, 0);
  app_.swap_to(2);
  socket.body.give(client_frame(0x81, "still here"));
  EXPECT_EQ(next(worker), "message 1 still here");
  runner_.until([&] { return socket.writer.content == closed_with(1012); });
  EXPECT_FALSE(noted("drained 1"));
  socket.body.give(close_frame(1012));
  EXPECT_EQ(next(worker), "close 1012 ");
  until_done(socket);
  worker.release(claimed_);
  worker.wake_fronts();
  runner_.until([&] { return noted("drained 1"); });
}

TEST_P(AppSocketTest, TheEndOfTheServerIsSaid) {
  auto& worker = start_one_worker();
  auto& socket = open(worker);
  app_.close_sockets();
  runner_.until([&] { return socket.writer.content == closed_with(1001); });
  socket.body.give(close_frame(1001));
  until_done(socket);
  EXPECT_EQ(next(worker), "close 1001 ");
  release(worker);
  auto& late = open(worker);  // accepted after that
  runner_.until([&] { return late.writer.content == closed_with(1001); });
  late.body.release();
  until_done(late);
}

TEST_P(AppSocketTest, AnOpenSocketIsOneOfThoseThatRun) {
  options_.queue = 1;
  options_.requests_per_worker = 2;
  auto& worker = start_one_worker();
  open(worker);
  get();
  auto first = claim(worker);
  auto& waiting = get();
  EXPECT_FALSE(waiting.done);
  auto& refused = get();
  EXPECT_EQ(refused.writer.status(), 503);
}

TEST_P(AppSocketTest, ACancelledConnectionIsALostOne) {
  auto& worker = start_one_worker();
  auto& socket = open(worker);
  socket.cancel();
  EXPECT_EQ(next(worker), "close 1006 ");
  release(worker);
}

INSTANTIATE_TEST_SUITE_P(Fronts, AppSocketTest, testing::Values(1, 2));

}  // namespace
}  // namespace cutwater::handler
