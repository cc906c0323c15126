#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/task.h"
#include "io/pipe_stream.h"
#include "io/timer.h"

namespace cutwater::io {
namespace {

class PipeStreamTest : public testing::Test {
 protected:
  void SetUp() override {
    int ends[2];
    ASSERT_EQ(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    writing_.reset(ends[1]);
    stream_ = std::make_unique<PipeStream>(loop_, base::FileDescriptor(ends[0]));
  }
  void say(std::string_view text) { ASSERT_EQ(write(writing_.get(), text.data(), text.size()), ssize_t(text.size())); }
  base::Task<void> read_once(base::Instant deadline) {
    waited_ = co_await stream_->readable(deadline);
    char buffer[100];
    result_ = stream_->read(buffer);
    text_.assign(buffer, result_.status == IoStatus::kDone ? result_.count : 0);
    loop_.stop();
  }
  void run(base::Instant deadline = base::kNever) {
    tasks_.start(read_once(deadline));
    Timer give_up(loop_.timers(), [this] { loop_.stop(); });
    give_up.set(base::monotonic_now() + std::chrono::seconds(10));
    loop_.run();
  }

  Loop loop_;
  base::FileDescriptor writing_;
  std::unique_ptr<PipeStream> stream_;
  base::TaskSet tasks_;
  WaitResult waited_ = WaitResult::kTimedOut;
  IoResult result_{IoStatus::kFailed};
  std::string text_;
};

TEST_F(PipeStreamTest, ReadsWhatComesAndThenTheEnd) {
  say("one");
  run();
  EXPECT_EQ(text_, "one");
  say("two");
  writing_.reset();
  run();
  EXPECT_EQ(text_, "two");
  run();
  EXPECT_EQ(result_.status, IoStatus::kEndOfStream);
  run();  // and again, without waiting
  EXPECT_EQ(result_.status, IoStatus::kEndOfStream);
}

// As programs do by /dev/stdout.
TEST_F(PipeStreamTest, APipeThatIsOpenedAnewIsWaitedForAgain) {
  writing_.reset();
  run();
  EXPECT_EQ(result_.status, IoStatus::kEndOfStream);
  writing_.reset(open(("/proc/self/fd/" + std::to_string(stream_->descriptor())).c_str(), O_WRONLY | O_CLOEXEC));
  ASSERT_TRUE(writing_.valid());
  run(base::monotonic_now() + std::chrono::milliseconds(20));
  EXPECT_EQ(result_.status, IoStatus::kWouldBlock);
  run(base::monotonic_now() + std::chrono::milliseconds(20));
  EXPECT_EQ(waited_, WaitResult::kTimedOut);
}

TEST_F(PipeStreamTest, WaitsNoLongerThanItMay) {
  run(base::monotonic_now() + std::chrono::milliseconds(20));
  EXPECT_EQ(waited_, WaitResult::kTimedOut);
  EXPECT_EQ(result_.status, IoStatus::kWouldBlock);
}

TEST_F(PipeStreamTest, AnEndOfOursWakesWhoWaits) {
  Timer cutting(loop_.timers(), [this] {
    stream_->shut_down();
    EXPECT_EQ(result_.status, IoStatus::kFailed);  // not from within the call
  });
  cutting.set(base::monotonic_now() + std::chrono::milliseconds(5));
  run();
  EXPECT_EQ(waited_, WaitResult::kReady);
  EXPECT_EQ(result_.status, IoStatus::kEndOfStream);
}

TEST_F(PipeStreamTest, BytesThatNobodyWantsDoNotWakeTheLoop) {
  run(base::monotonic_now() + std::chrono::milliseconds(1));
  say("unread");
  struct Turns : TurnHook {
    bool end_of_turn() override {
      ++count;
      return false;
    }
    int count = 0;
  } turns;
  loop_.add_hook(turns);
  Timer later(loop_.timers(), [this] { loop_.stop(); });
  later.set(base::monotonic_now() + std::chrono::milliseconds(50));
  loop_.run();
  loop_.remove_hook(turns);
  EXPECT_LT(turns.count, 10);
  run();
  EXPECT_EQ(text_, "unread");
}

TEST_F(PipeStreamTest, AWaitThatIsCancelledIsForgotten) {
  {
    base::TaskSet brief;
    brief.start(read_once(base::kNever));
  }
  say("x");
  run();
  EXPECT_EQ(text_, "x");
}

TEST_F(PipeStreamTest, TakesNothing) {
  char byte = 'x';
  const iovec piece{&byte, 1};
  EXPECT_EQ(stream_->write(std::span(&piece, 1)).status, IoStatus::kFailed);
}

}  // namespace
}  // namespace cutwater::io
