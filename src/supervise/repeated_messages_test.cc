#include "supervise/repeated_messages.h"

#include <gtest/gtest.h>

#include <optional>
#include <vector>

namespace cutwater::supervise {
namespace {

class Notes final : public base::LogSink {
 public:
  void write(base::Severity, std::string_view code, std::string_view text) override {
    texts.push_back(std::string(code) + " " + std::string(text));
  }
  std::vector<std::string> texts;
};

class RepeatedMessagesTest : public testing::Test {
 protected:
  void run_for(base::Duration span) {
    io::Timer end(loop_.timers(), [this] { loop_.stop(); });
    end.set(base::monotonic_now() + span);
    loop_.run();
  }
  io::Loop loop_;
  Notes log_;
  std::optional<RepeatedMessages> messages_{std::in_place, loop_, log_};
};

TEST_F(RepeatedMessagesTest, TheFirstIsWrittenAtOnceAndTheOthersAreCounted) {
  for (int i = 0; i < 60; ++i) messages_->error("CW0502", "web: GET / raised ValueError\nat app.py:1\nTraceback");
  messages_->error("CW0502", "web: GET /b raised ValueError\nat app.py:1\nTraceback");
  messages_->warning("CW0505", "web: GET / raised ValueError\nat app.py:1\nTraceback");
  const size_t at_once = 3;
  ASSERT_EQ(log_.texts.size(), at_once);
  run_for(std::chrono::milliseconds(1100));
  ASSERT_EQ(log_.texts.size(), at_once + 1);
  EXPECT_EQ(log_.texts.back(), "CW0502 web: GET / raised ValueError (the same 59 more times)");
  run_for(std::chrono::milliseconds(1200));
  EXPECT_EQ(loop_.timers().next(), base::kNever);  // nothing came any more: nobody looks
  messages_->error("CW0502", "web: GET / raised ValueError\nat app.py:1\nTraceback");
  EXPECT_EQ(log_.texts.size(), at_once + 2);
}

TEST_F(RepeatedMessagesTest, InTheEndTheCountIsTold) {
  for (int i = 0; i < 3; ++i) messages_->warning("CW0511", "web: full");
  messages_.reset();
  EXPECT_EQ(log_.texts, (std::vector<std::string>{"CW0511 web: full", "CW0511 web: full (the same 2 more times)"}));
}

TEST_F(RepeatedMessagesTest, NotesAreNotCounted) {
  for (int i = 0; i < 3; ++i) messages_->info("web: reloaded");
  EXPECT_EQ(log_.texts.size(), 3u);
}

}  // namespace
}  // namespace cutwater::supervise
