// Shared by the tests of handler/: an exchange without a network, and a loop that runs until something has happened.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/task.h"
#include "io/loop.h"
#include "io/offload.h"
#include "message/exchange.h"

namespace cutwater::handler {

class NotingLog final : public base::LogSink {
 public:
  void write(base::Severity, std::string_view code, std::string_view text) override {
    lines.push_back(std::string(code) + " " + std::string(text));
  }
  std::vector<std::string> lines;
};

// Body pieces given beforehand. With `held` nothing comes until release().
class ScriptedBody final : public message::BodySource {
 public:
  base::Task<message::BodyPiece> read() override {
    Hold hold{*this};
    co_await hold;
    current_.clear();
    if (pieces.empty()) co_return message::BodyPiece{end, {}};
    current_ = std::move(pieces.front());
    pieces.pop_front();
    co_return message::BodyPiece{message::BodyStatus::kPiece, current_};
  }
  void release() {
    held = false;
    if (waiter_) std::exchange(waiter_, nullptr).resume();
  }
  // More comes, and then nothing again.
  void give(std::string piece) {
    pieces.push_back(std::move(piece));
    if (waiter_) std::exchange(waiter_, nullptr).resume();
  }

  std::deque<std::string> pieces;
  message::BodyStatus end = message::BodyStatus::kEnd;
  bool held = false;

 private:
  struct Hold {
    ScriptedBody& body;
    bool await_ready() const { return !body.held || !body.pieces.empty(); }
    void await_suspend(std::coroutine_handle<> waiter) { body.waiter_ = waiter; }
    void await_resume() const {}
  };
  std::string current_;
  std::coroutine_handle<> waiter_;
};

// Notes the response. With `held`, a write waits until release(), like a client that does not read.
class NotingWriter final : public message::ResponseWriter {
 public:
  base::Task<message::WriteStatus> informational(const message::Response& response) override {
    for (const auto& field : response.headers) hints.emplace_back(field.name, field.value);
    return written();
  }
  base::Task<message::WriteStatus> head(const message::Response& response, std::string_view first_piece,
                                        bool complete) override {
    EXPECT_FALSE(head_sent_);
    head_sent_ = true;
    status_ = response.status;
    content_length = response.content_length;
    for (const auto& field : response.headers) headers.emplace(field.name, field.value);
    content.append(first_piece);
    pieces.push_back(std::string(first_piece));
    finished = complete;
    return written();
  }
  base::Task<message::WriteStatus> body(std::string_view piece, bool complete) override {
    EXPECT_TRUE(head_sent_);
    content.append(piece);
    pieces.push_back(std::string(piece));
    finished |= complete;
    return written();
  }
  base::Task<message::WriteStatus> file(int descriptor, uint64_t offset, uint64_t length) override {
    EXPECT_TRUE(head_sent_);
    ++file_writes;
    std::string bytes(length, '\0');
    ssize_t count = pread(descriptor, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < static_cast<ssize_t>(length)) {
      aborted = true;
      bytes.resize(count < 0 ? 0 : static_cast<size_t>(count));
    }
    content.append(bytes);
    if (aborted) co_return message::WriteStatus::kClientGone;
    co_return message::WriteStatus::kWritten;
  }
  base::Task<message::WriteStatus> finish() override {
    finished = true;
    co_return message::WriteStatus::kWritten;
  }
  void trailers(const message::Headers& fields) override {
    for (const auto& field : fields) trailer_fields.emplace_back(field.name, field.value);
  }
  void abort() override { aborted = true; }
  bool head_sent() const override { return head_sent_; }
  uint16_t status() const override { return status_; }
  uint64_t body_bytes_sent() const override { return held ? 0 : content.size(); }
  bool client_gone() const override { return gone; }
  size_t room() const override { return room_left; }

  void release() {
    held = false;
    take_one();
  }
  // The client takes what waits, and then holds back again.
  void take_one() {
    if (waiter_) std::exchange(waiter_, nullptr).resume();
  }
  bool waits() const { return waiter_ != nullptr; }
  std::string header(const std::string& name) const {
    auto found = headers.find(name);
    return found == headers.end() ? "" : found->second;
  }

  std::map<std::string, std::string> headers;
  std::vector<std::pair<std::string, std::string>> hints;
  std::vector<std::pair<std::string, std::string>> trailer_fields;
  std::optional<uint64_t> content_length;
  std::string content;
  std::vector<std::string> pieces;
  int file_writes = 0;
  bool finished = false;
  bool aborted = false;
  bool held = false;
  bool gone = false;
  size_t room_left = SIZE_MAX;

 private:
  struct Hold {
    NotingWriter& writer;
    bool await_ready() const { return !writer.held; }
    void await_suspend(std::coroutine_handle<> waiter) { writer.waiter_ = waiter; }
    void await_resume() const {}
  };
  base::Task<message::WriteStatus> written() {
    Hold hold{*this};
    co_await hold;
    co_return gone ? message::WriteStatus::kClientGone : message::WriteStatus::kWritten;
  }

  bool head_sent_ = false;
  uint16_t status_ = 0;
  std::coroutine_handle<> waiter_;
};

// One request and what became of it.
class TestExchange {
 public:
  TestExchange(std::string_view method, std::string_view path) : method_(method), path_(path) {
    request.method = method_;
    request.raw_target = request.path = path_;
    request.authority = request.server_name = "localhost";
    request.scheme = "http";
    request.remote_address = "127.0.0.1";
    request.server_port = 80;
    exchange.id = 7;
  }
  void start(message::Handler& handler) { tasks_.start(run(handler)); }
  void with_body(std::vector<std::string> pieces) {
    request.framing = message::BodyFraming::kLength;
    for (std::string& piece : pieces) {
      request.content_length += piece.size();
      body.pieces.push_back(std::move(piece));
    }
  }
  // Whether somebody was told.
  bool leave(bool for_good = false) {
    writer.gone = true;
    return exchange.gone_listener && exchange.gone_listener->on_client_gone(for_good);
  }
  void cancel() { tasks_.cancel_all(); }

  message::Request request;
  ScriptedBody body;
  NotingWriter writer;
  message::Exchange exchange{request, body, writer, {}, "127.0.0.1"};
  bool done = false;

 private:
  const std::string method_, path_;
  base::Task<void> run(message::Handler& handler) {
    co_await handler.handle(exchange);
    done = true;
  }
  base::TaskSet tasks_;
};

// Runs the loop's turns until `happened` or ten seconds have passed.
class LoopRunner final : public io::TurnHook {
 public:
  explicit LoopRunner(io::Loop& loop) : loop_(loop), poll_(loop.timers(), [this] { look(); }) { loop_.add_hook(*this); }
  ~LoopRunner() override { loop_.remove_hook(*this); }

  void until(std::function<bool()> happened) {
    happened_ = std::move(happened);
    reached_ = false;
    give_up_ = base::monotonic_now() + std::chrono::seconds(10);
    poll_.set(base::monotonic_now());
    loop_.run();
    EXPECT_TRUE(reached_);
    happened_ = nullptr;
    poll_.cancel();
  }
  void turns(base::Duration span) {
    const base::Instant end = base::monotonic_now() + span;
    until([end] { return base::monotonic_now() >= end; });
  }
  bool end_of_turn() override {
    if (happened_ && !reached_ && happened_()) {
      reached_ = true;  // asked once: it may take what it looks for
      loop_.stop();
    }
    return false;
  }

 private:
  void look() {
    if (base::monotonic_now() >= give_up_) loop_.stop();
    poll_.set(base::monotonic_now() + std::chrono::milliseconds(1));
  }
  io::Loop& loop_;
  io::Timer poll_;
  std::function<bool()> happened_;
  bool reached_ = false;
  base::Instant give_up_{0};
};

}  // namespace cutwater::handler
