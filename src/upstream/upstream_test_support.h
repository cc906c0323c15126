// Shared by the tests of upstream/: a loop that runs until something has happened, and a connection whose far end is
// the test.
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "base/file_descriptor.h"
#include "base/task.h"
#include "io/loop.h"
#include "io/stream.h"
#include "io/timer.h"
#include "message/exchange.h"

namespace cutwater::upstream {

class LoopRunner final : public io::TurnHook {
 public:
  explicit LoopRunner(io::Loop& loop) : loop_(loop), poll_(loop.timers(), [this] { look(); }) { loop_.add_hook(*this); }
  ~LoopRunner() override { loop_.remove_hook(*this); }

  // Ten seconds at most.
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
      reached_ = true;
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

// A client that sends pieces when the test says so.
class PacedBody final : public message::BodySource {
 public:
  base::Task<message::BodyPiece> read() override {
    Hold hold{*this};
    co_await hold;
    current_ = std::move(pieces_.front());
    pieces_.pop_front();
    if (current_.empty()) co_return message::BodyPiece{end_, {}};
    co_return message::BodyPiece{message::BodyStatus::kPiece, current_};
  }
  void send(std::string piece) {
    pieces_.push_back(std::move(piece));
    if (waiter_) std::exchange(waiter_, nullptr).resume();
  }
  size_t waiting() const { return pieces_.size(); }  // not yet read
  void finish(message::BodyStatus end = message::BodyStatus::kEnd) {
    end_ = end;
    send("");
  }

 private:
  struct Hold {
    PacedBody& body;
    ~Hold() { body.waiter_ = nullptr; }
    bool await_ready() const { return !body.pieces_.empty(); }
    void await_suspend(std::coroutine_handle<> waiter) { body.waiter_ = waiter; }
    void await_resume() const {}
  };
  std::deque<std::string> pieces_;
  std::string current_;
  message::BodyStatus end_ = message::BodyStatus::kEnd;
  std::coroutine_handle<> waiter_;
};

// `stream` is ours; the test plays the peer.
struct FarEnd {
  explicit FarEnd(io::Loop& loop) {
    int ends[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    stream = io::make_socket_stream(loop, base::FileDescriptor(ends[0]));
    peer = base::FileDescriptor(ends[1]);
  }
  void say(std::string_view bytes) {
    EXPECT_EQ(::send(peer.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }
  // What has come since the last time.
  std::string hear() {
    std::string heard;
    char buffer[65536];
    while (true) {
      const ssize_t count = ::recv(peer.get(), buffer, sizeof buffer, 0);
      if (count <= 0) return heard;
      heard.append(buffer, static_cast<size_t>(count));
    }
  }
  void hang_up() { peer.reset(); }

  std::unique_ptr<io::Stream> stream;
  base::FileDescriptor peer;
};

}  // namespace cutwater::upstream
