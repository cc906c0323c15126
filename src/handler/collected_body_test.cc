#include "handler/collected_body.h"

#include <algorithm>
#include <filesystem>

#include "handler/handler_test_support.h"
#include "handler/stderr_log.h"

namespace cutwater::handler {
namespace {

class CollectedBodyTest : public testing::Test {
 protected:
  void collect(std::vector<std::string> pieces) {
    for (std::string& piece : pieces) source_.pieces.push_back(std::move(piece));
    body_.emplace(source_, area_, budget_);
    tasks_.start(collect_and_read());
    runner_.until([this] { return done_; });
  }
  base::Task<void> collect_and_read() {
    auto collecting = body_->collect();
    outcome_ = co_await collecting;
    while (outcome_.ok()) {
      auto reading = body_->read();
      const message::BodyPiece piece = co_await reading;
      if (piece.status != message::BodyStatus::kPiece) break;
      read_ += piece.bytes;
    }
    done_ = true;
  }

  io::Loop loop_;
  LoopRunner runner_{loop_};
  io::Offload offload_{loop_, 1};
  SpoolArea area_{offload_, ""};
  SpoolBudget budget_{1 << 20};
  ScriptedBody source_;
  std::optional<CollectedBody> body_;
  CollectedBody::Outcome outcome_;
  std::string read_;
  bool done_ = false;
  base::TaskSet tasks_;
};

// Descriptors of this process that are files of bodies.
long open_bodies() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return std::count_if(begin(all), end(all), [](const std::filesystem::directory_entry& entry) {
    std::error_code gone;
    return std::filesystem::read_symlink(entry, gone).native().find("cutwater-body") != std::string::npos;
  });
}

TEST_F(CollectedBodyTest, HasOneDescriptor) {
  collect({std::string(200'000, 'x')});
  EXPECT_EQ(read_.size(), 200'000u);
  EXPECT_EQ(open_bodies(), 1);
}

TEST_F(CollectedBodyTest, OfAnySize) {
  for (size_t size : {size_t{0}, size_t{1}, size_t{65'536}, size_t{65'537}, size_t{500'000}}) {
    std::string whole;
    std::vector<std::string> pieces;
    for (size_t at = 0; at < size; at += 30'000) {
      pieces.emplace_back(std::min<size_t>(30'000, size - at), static_cast<char>('a' + at % 26));
      whole += pieces.back();
    }
    read_.clear();
    done_ = false;
    collect(std::move(pieces));
    EXPECT_TRUE(outcome_.ok());
    EXPECT_EQ(body_->size(), size);
    EXPECT_EQ(budget_.used() > 0, size > 65'536) << size;
    EXPECT_TRUE(read_ == whole) << size;
    body_.reset();
    EXPECT_EQ(budget_.used(), 0u);
  }
}

TEST_F(CollectedBodyTest, AClientThatFails) {
  source_.end = message::BodyStatus::kTimedOut;
  collect({"a"});
  EXPECT_EQ(outcome_.status, message::BodyStatus::kTimedOut);
}

TEST_F(CollectedBodyTest, MoreThanTheBudget) {
  std::vector<std::string> pieces(20, std::string(100'000, 'x'));
  collect(std::move(pieces));
  EXPECT_EQ(outcome_.spool, SpoolStatus::kOverBudget);
}

TEST(StderrLog, WritesWholeLinesWithTheRequest) {
  NotingLog log;
  io::Loop loop;
  StderrPace pace(loop);
  {
    StderrLog errors(log, pace, "upstream php", 0x2a, "CW0608", "GET", "/a.php");
    errors.on_stderr("one\ntw");
    errors.on_stderr("o\r\n\nthree");
    EXPECT_EQ(log.lines.size(), 2u);
  }
  ASSERT_EQ(log.lines.size(), 3u);
  EXPECT_EQ(log.lines[0], "CW0608 upstream php: request 0000002a GET /a.php: one");
  EXPECT_EQ(log.lines[1], "CW0608 upstream php: request 0000002a GET /a.php: two");
  EXPECT_EQ(log.lines[2], "CW0608 upstream php: request 0000002a GET /a.php: three");
}

TEST(StderrLog, SaysNoMoreOfTheRequestThanTellsItApart) {
  NotingLog log;
  io::Loop loop;
  StderrPace pace(loop);
  const std::string method(30'000, 'M');
  const std::string path(30'000, '/');
  StderrLog(log, pace, "upstream php", 1, "CW0608", method, path).on_stderr("x");
  ASSERT_EQ(log.lines.size(), 1u);
  EXPECT_LT(log.lines[0].size(), 300u);
}

TEST(StderrLog, KeepsNoMoreThanALogCanBear) {
  NotingLog log;
  io::Loop loop;
  StderrPace pace(loop);
  {
    StderrLog errors(log, pace, "upstream php", 1, "CW0608", "GET", "/");
    for (int i = 0; i < 1000; ++i) errors.on_stderr(std::string(1024, 'x'));
  }
  ASSERT_EQ(log.lines.size(), 5u);
  for (const std::string& line : log.lines) EXPECT_LT(line.size(), StderrLog::kMostKept / 4 + 100);
  EXPECT_TRUE(log.lines[4].ends_with("[and 1015808 bytes more]"));
}

// However many requests there are.
TEST(StderrLog, WritesNoMoreInASecondThanALogCanBear) {
  NotingLog log;
  io::Loop loop;
  StderrPace pace(loop);
  for (size_t i = 0; i < StderrPace::kLinesPerSecond + 50; ++i)
    StderrLog(log, pace, "upstream php", i, "CW0608", "GET", "/").on_stderr("x");
  EXPECT_EQ(log.lines.size(), StderrPace::kLinesPerSecond);
  io::Timer later(loop.timers(), [&] { loop.stop(); });
  later.set(loop.now() + std::chrono::milliseconds(1050));
  loop.run();
  StderrLog(log, pace, "upstream php", 1, "CW0608", "GET", "/").on_stderr("again");
  EXPECT_EQ(log.lines.back(), "CW0608 upstream php: request 00000001 GET /: again (50 lines of that second left out)");
}

}  // namespace
}  // namespace cutwater::handler
