// A WebSocket between a client that the test plays by frames, and a worker's end of the link.
#pragma once

#include <string>
#include <string_view>

#include "codec/websocket/websocket_replay.h"
#include "handler/app_socket.h"
#include "handler/app_test_support.h"

namespace cutwater::handler {

using codec::websocket::client_frame;
using link::DownKind;
using link::UpKind;

inline constexpr std::string_view kKey = "dGhlIHNhbXBsZSBub25jZQ==";

class AppSocketTest : public AppTest, public testing::WithParamInterface<uint32_t> {
 protected:
  AppSocketTest() : AppTest(GetParam()) {
    options_.asynchronous = true;
    options_.requests_per_worker = 4;
  }
  TestExchange& handshake() {
    auto& exchange = *exchanges_.emplace_back(std::make_unique<TestExchange>("GET", "/chat"));
    exchange.request.upgrade = "websocket";
    exchange.request.headers.add("Sec-WebSocket-Key", kKey);
    exchange.request.headers.add("Sec-WebSocket-Version", "13");
    exchange.body.held = true;
    return exchange;
  }
  TestExchange& open(link::WorkerLink& worker) {
    auto& exchange = handshake();
    exchange.start(app_);
    claimed_ = claim(worker);
    accept(worker);
    runner_.until([&] { return exchange.writer.head_sent(); });
    EXPECT_EQ(exchange.writer.status(), 101);
    return exchange;
  }
  void accept(link::WorkerLink& worker) {
    message::Response head;
    head.status = 101;
    head.headers.add("Sec-WebSocket-Protocol", "chat");
    worker.send_response(claimed_, head, "", 0);
    worker.wake_fronts();
  }
  void send(link::WorkerLink& worker, UpKind kind, uint32_t value, std::string_view payload) {
    runner_.until([&] { return worker.send_up(claimed_, kind, value, payload); });
    worker.wake_fronts();
  }
  link::DownFrame frame(link::WorkerLink& worker) {
    std::optional<link::DownFrame> frame;
    runner_.until([&] { return (frame = worker.receive()).has_value(); });
    return frame.value_or(link::DownFrame{});
  }
  // "message 1 text", "close 1000 reason", "other 5"
  std::string next(link::WorkerLink& worker) {
    const link::DownFrame got = frame(worker);
    const auto kind = static_cast<DownKind>(got.header.kind);
    const char* name = kind == DownKind::kWebSocketMessage ? "message "
                       : kind == DownKind::kWebSocketClose ? "close "
                                                           : "other ";
    return name + std::to_string(got.header.value) + " " + std::string(got.payload);
  }
  void release(link::WorkerLink& worker) {
    worker.release(claimed_);
    worker.wake_fronts();
    runner_.until([&] { return app_.current()->idle() || app_.current() == nullptr; });
  }
  static std::string close_frame(uint16_t code, std::string_view reason = "") {
    std::string payload{static_cast<char>(code >> 8), static_cast<char>(code)};
    return client_frame(0x88, payload.append(reason));
  }
  static std::string closed_with(uint16_t code, std::string_view reason = "") {
    std::string frame;
    codec::websocket::append_close(frame, code, reason);
    return frame;
  }
  link::Claim claimed_;
};

}  // namespace cutwater::handler
