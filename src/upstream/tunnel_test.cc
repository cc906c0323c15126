#include "upstream/tunnel.h"

#include "upstream/upstream_test_support.h"

namespace cutwater::upstream {
namespace {

using message::BodyStatus;
using message::WriteStatus;

// What reaches the client. It takes bytes while `open`; a write that waits is let go by let_go().
class NotingWriter final : public message::ResponseWriter {
 public:
  base::Task<WriteStatus> informational(const message::Response&) override { return settle(); }
  base::Task<WriteStatus> head(const message::Response&, std::string_view, bool) override { return settle(); }
  base::Task<WriteStatus> body(std::string_view piece, bool) override {
    content += piece;
    return settle();
  }
  base::Task<WriteStatus> file(int, uint64_t, uint64_t) override { return settle(); }
  base::Task<WriteStatus> finish() override {
    finished = true;
    return settle();
  }
  void abort() override { aborted = true; }
  bool head_sent() const override { return true; }
  uint16_t status() const override { return 101; }
  uint64_t body_bytes_sent() const override { return content.size(); }
  bool client_gone() const override { return gone; }

  void let_go() {
    open = true;
    if (waiter_) std::exchange(waiter_, nullptr).resume();
  }

  std::string content;
  bool finished = false;
  bool aborted = false;
  bool open = true;
  bool gone = false;

 private:
  struct Hold {
    NotingWriter& writer;
    ~Hold() { writer.waiter_ = nullptr; }
    bool await_ready() const { return writer.open; }
    void await_suspend(std::coroutine_handle<> waiter) { writer.waiter_ = waiter; }
    void await_resume() const {}
  };
  base::Task<WriteStatus> settle() {
    Hold hold{*this};
    co_await hold;
    co_return gone ? WriteStatus::kClientGone : WriteStatus::kWritten;
  }
  std::coroutine_handle<> waiter_;
};

class TunnelTest : public testing::Test {
 protected:
  void start(base::Duration silence = std::chrono::hours(1)) {
    tunnel_.emplace(loop_, *far_.stream, client_, writer_, silence);
    tasks_.start(run());
    runner_.turns(base::Duration(0));
  }
  base::Task<void> run() {
    auto running = tunnel_->run();
    co_await running;
    done_ = true;
  }
  void finish() {
    runner_.until([this] { return done_; });
  }
  void read_until(const std::string& text) {
    runner_.until([&] { return writer_.content == text; });
  }
  std::string heard_until(size_t size) {
    std::string heard;
    runner_.until([&] {
      heard += far_.hear();
      return heard.size() >= size;
    });
    return heard;
  }
  bool far_ended() {
    char byte;
    return ::recv(far_.peer.get(), &byte, 1, 0) == 0;
  }
  // More than a socket takes at once.
  static std::string much() {
    std::string bytes;
    for (int number = 0; bytes.size() < 4'000'000; ++number) bytes += std::to_string(number);
    return bytes;
  }

  io::Loop loop_;
  LoopRunner runner_{loop_};
  FarEnd far_{loop_};
  PacedBody client_;
  NotingWriter writer_;
  bool done_ = false;
  std::optional<Tunnel> tunnel_;
  base::TaskSet tasks_;
};

TEST_F(TunnelTest, PassesBytesOnBothWaysUntilBothEnd) {
  start();
  client_.send("ping");
  EXPECT_EQ(heard_until(4), "ping");
  far_.say("pong");
  read_until("pong");
  client_.finish();
  runner_.until([this] { return far_ended(); });
  EXPECT_FALSE(done_);
  far_.say(" and more");
  read_until("pong and more");
  far_.hang_up();
  finish();
  EXPECT_TRUE(writer_.finished);
  EXPECT_FALSE(writer_.aborted);
}

TEST_F(TunnelTest, ThePeersEndLeavesTheOtherDirection) {
  start();
  far_.say("bye");
  ::shutdown(far_.peer.get(), SHUT_WR);
  runner_.until([this] { return writer_.finished; });
  EXPECT_EQ(writer_.content, "bye");
  client_.send("still here");
  EXPECT_EQ(heard_until(10), "still here");
  EXPECT_FALSE(done_);
  client_.finish();
  finish();
  EXPECT_FALSE(writer_.aborted);
}

TEST_F(TunnelTest, APeerThatTakesNothingHoldsTheClientBack) {
  start();
  const std::string bytes = much();
  client_.send(bytes);
  client_.send("the last");
  runner_.turns(std::chrono::milliseconds(5));
  EXPECT_EQ(client_.waiting(), 1u);  // not read before what came first has gone
  client_.finish();
  EXPECT_EQ(heard_until(bytes.size() + 8), bytes + "the last");
}

TEST_F(TunnelTest, AClientThatTakesNothingHoldsThePeerBack) {
  start();
  writer_.open = false;
  const std::string bytes = much();
  size_t said = 0;
  bool full = false;
  const auto say_more = [&] {
    const ssize_t count = ::send(far_.peer.get(), bytes.data() + said, bytes.size() - said, MSG_NOSIGNAL);
    full = count < 0;
    if (count > 0) said += static_cast<size_t>(count);
    return full;
  };
  runner_.until(say_more);
  runner_.turns(std::chrono::milliseconds(5));
  EXPECT_LE(writer_.content.size(), io::shared_read_buffer().size());
  writer_.let_go();
  runner_.until([&] { return say_more(), writer_.content.size() == bytes.size(); });
  EXPECT_EQ(writer_.content, bytes);
}

TEST_F(TunnelTest, SilenceOfBothEndsIt) {
  start(std::chrono::milliseconds(200));
  const base::Instant began = base::monotonic_now();
  for (int i = 0; i < 4; ++i) {
    runner_.turns(std::chrono::milliseconds(100));
    ASSERT_FALSE(done_);
    i % 2 ? far_.say("x") : client_.send("x");
  }
  finish();
  EXPECT_GE(base::monotonic_now() - began, std::chrono::milliseconds(500));
  EXPECT_TRUE(writer_.finished);
  EXPECT_FALSE(writer_.aborted);
}

TEST_F(TunnelTest, AClientThatBreaksOffEndsIt) {
  start();
  client_.finish(BodyStatus::kDisconnected);
  finish();
  EXPECT_TRUE(writer_.aborted);
}

// A reset, not an end: the peer closes with bytes unread.
TEST_F(TunnelTest, APeerThatBreaksOffEndsIt) {
  start();
  client_.send("unread");
  far_.hang_up();
  finish();
  EXPECT_TRUE(writer_.aborted);
}

TEST_F(TunnelTest, AClientThatTakesNoMoreEndsIt) {
  start();
  writer_.gone = true;
  far_.say("x");
  finish();
  EXPECT_TRUE(writer_.aborted);
}

// While it is read the read says so, behind what it sent before.
TEST_F(TunnelTest, AClientThatIsGoneIsFoundByWhoReadsIt) {
  start();
  tunnel_->client_gone();
  runner_.turns(std::chrono::milliseconds(5));
  EXPECT_FALSE(done_);
  client_.send("last words");
  client_.finish(BodyStatus::kDisconnected);
  finish();
  EXPECT_EQ(far_.hear(), "last words");
}

TEST_F(TunnelTest, AClientThatIsGoneWhileNobodyReadsItEndsIt) {
  start();
  client_.send(much());
  runner_.turns(std::chrono::milliseconds(1));
  tunnel_->client_gone();
  finish();
  EXPECT_TRUE(writer_.aborted);
}

TEST_F(TunnelTest, AClientThatIsGoneBehindItsEndEndsIt) {
  start();
  client_.finish();
  runner_.until([this] { return far_ended(); });
  tunnel_->client_gone();
  finish();
  EXPECT_TRUE(writer_.aborted);
}

// Its end was handed on; that it is gone altogether comes later, and nobody reads it any more.
TEST_F(TunnelTest, APeerThatIsGoneBehindItsEndEndsIt) {
  start();
  ::shutdown(far_.peer.get(), SHUT_WR);
  runner_.until([this] { return writer_.finished; });
  runner_.turns(std::chrono::milliseconds(1));
  EXPECT_FALSE(done_);
  far_.hang_up();
  finish();
  EXPECT_FALSE(writer_.aborted);
}

// A half-closed connection is always readable: nothing may turn around that.
TEST_F(TunnelTest, AHalfClosedOneCostsNothing) {
  start();
  ::shutdown(far_.peer.get(), SHUT_WR);
  runner_.until([this] { return writer_.finished; });
  struct Turns final : io::TurnHook {
    bool end_of_turn() override {
      ++count;
      return false;
    }
    int count = 0;
  } turns;
  loop_.add_hook(turns);
  io::Timer end(loop_.timers(), [this] { loop_.stop(); });
  end.set(base::monotonic_now() + std::chrono::milliseconds(50));
  loop_.run();
  loop_.remove_hook(turns);
  EXPECT_LE(turns.count, 4);
}

TEST_F(TunnelTest, CanBeCancelled) {
  start();
  client_.send(much());
  runner_.turns(std::chrono::milliseconds(1));
  tasks_.cancel_all();
  tunnel_.reset();
  EXPECT_FALSE(done_);
}

}  // namespace
}  // namespace cutwater::upstream
