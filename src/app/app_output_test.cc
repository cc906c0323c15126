#include "app/app_output.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
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
    auto opened = AppOutput::open(loop_, log_, std::nullopt);
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

// What an app left behind may write for ever.
TEST_F(AppOutputTest, TheEndDoesNotWaitForWhoGoesOn) {
  const std::string line(1023, 'x');
  for (int i = 0; i < 60; ++i) ASSERT_EQ(::write(output_->descriptor(), (line + "\n").data(), 1024), 1024);
  const pid_t child = fork();
  if (child == 0) {
    while (::write(output_->descriptor(), line.data(), line.size()) > 0) {
    }
    _exit(0);
  }
  output_->finish();
  EXPECT_GE(text().size(), 60u * 1024);
  EXPECT_LT(text().size(), 1024u * 1024);
  output_.reset();
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
}

}  // namespace
}  // namespace cutwater::app
