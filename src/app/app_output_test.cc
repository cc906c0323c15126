#include "app/app_output.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "io/timer.h"

namespace cutwater::app {
namespace {

class AppOutputTest : public testing::Test {
 protected:
  AppOutputTest() {
    char folder[] = "/tmp/cutwater-output-test-XXXXXX";
    folder_ = mkdtemp(folder);
    EXPECT_TRUE(ConsoleLog::open(log_, file("log")).ok());
    auto opened = AppOutput::open(loop_, log_);
    EXPECT_TRUE(opened.ok());
    output_ = std::move(*opened);
  }
  ~AppOutputTest() override { std::filesystem::remove_all(folder_); }
  std::string file(const std::string& name) const { return folder_ + "/" + name; }
  std::string text(const std::string& name = "log") const {
    std::ifstream stream(file(name));
    std::ostringstream all;
    all << stream.rdbuf();
    return all.str();
  }
  void say(std::string_view words) {
    ASSERT_EQ(::write(output_->descriptor(), words.data(), words.size()), static_cast<ssize_t>(words.size()));
    io::Timer end(loop_.timers(), [this] { loop_.stop(); });
    end.set(base::monotonic_now() + std::chrono::milliseconds(5));
    loop_.run();
  }
  std::string folder_;
  io::Loop loop_;
  ConsoleLog log_;
  std::unique_ptr<AppOutput> output_;
};

TEST_F(AppOutputTest, PassesWholeLinesOnAsTheyAre) {
  say("one\ntw");
  EXPECT_EQ(text(), "one\n");
  say("o\x1b[1m\n");
  EXPECT_EQ(text(), "one\ntwo\x1b[1m\n");
}

TEST_F(AppOutputTest, KeepsALineForTheEndAndNotAVeryLongOne) {
  say("no end");
  EXPECT_EQ(text(), "");
  output_->finish();
  EXPECT_EQ(text(), "no end\n");
  for (int i = 0; i < 5; ++i) say(std::string(16'000, 'x'));
  EXPECT_GE(text().size(), 64'000u);
}

TEST_F(AppOutputTest, GoesToTheNewFileAfterARotation) {
  say("one\n");
  std::filesystem::rename(file("log"), file("log.1"));
  ASSERT_TRUE(log_.reopen().ok());
  say("two\n");
  EXPECT_EQ(text("log.1"), "one\n");
  EXPECT_EQ(text(), "two\n");
}

// Its master is gone, and what it runs shall be finished all the same.
TEST_F(AppOutputTest, AnAppIsNotKilledByAPipeWithoutAReader) {
  const int descriptor = dup(output_->descriptor());
  output_.reset();
  EXPECT_EQ(::write(descriptor, "x", 1), 1);
  close(descriptor);
}

}  // namespace
}  // namespace cutwater::app
