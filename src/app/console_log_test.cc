#include "app/console_log.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "config/error_codes.h"

namespace cutwater::app {
namespace {

using base::Severity;

class ConsoleLogTest : public testing::Test {
 protected:
  ConsoleLogTest() {
    char folder[] = "/tmp/cutwater-log-test-XXXXXX";
    folder_ = mkdtemp(folder);
  }
  ~ConsoleLogTest() override { std::filesystem::remove_all(folder_); }
  std::string path(const std::string& name) const { return folder_ + "/" + name; }
  std::string text(const std::string& name) const {
    std::ifstream file(path(name));
    std::ostringstream all;
    all << file.rdbuf();
    return all.str();
  }
  std::string folder_;
};

std::string fix(const char* code) {
  return "  fix: " + std::string(config::find_error_code(code)->fix) + "\n";
}

TEST_F(ConsoleLogTest, FormatsOneProblemAsOneBlock) {
  EXPECT_EQ(ConsoleLog::format(Severity::kError, "CW0312", "web: new code\nshop.py:1: oops\n", false),
            "error[CW0312] web: new code\n  shop.py:1: oops\n" + fix("CW0312") + "  more: cutwater help CW0312\n");
  EXPECT_EQ(ConsoleLog::format(Severity::kError, "CW0312", "web: new code\nfix: none\n", false),
            "error[CW0312] web: new code\n  fix: none\n  more: cutwater help CW0312\n");
  EXPECT_EQ(ConsoleLog::format(Severity::kInfo, "", "serving", false), "serving\n");
  EXPECT_EQ(ConsoleLog::format(Severity::kWarning, "", "slow", false), "warning slow\n");
}

TEST_F(ConsoleLogTest, ForgesNoLineAndMovesNoCursor) {
  EXPECT_EQ(ConsoleLog::format(Severity::kInfo, "", "a\rb\x1b[2J\nerror[CW0001] c\x7f", false),
            "a\\x0db\\x1b[2J\n  error[CW0001] c\\x7f\n");
  EXPECT_EQ(ConsoleLog::format(Severity::kInfo, "",
                               "\xc2\x9b"
                               "2J \xc3\xbc",
                               false),
            "\\xc2\\x9b2J \xc3\xbc\n");
}

TEST_F(ConsoleLogTest, ColoursOnlyTheHead) {
  EXPECT_EQ(ConsoleLog::format(Severity::kError, "CW0312", "text", true),
            "\x1b[1;31merror[CW0312]\x1b[0m text\n" + fix("CW0312") + "  more: cutwater help CW0312\n");
}

TEST_F(ConsoleLogTest, JsonIsOneObjectALine) {
  const std::string line = ConsoleLog::format_json(Severity::kError, "CW0104", "a\n\"b\" \xff");
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  const nlohmann::json object = nlohmann::json::parse(line);
  EXPECT_EQ(object["severity"], "error");
  EXPECT_EQ(object["code"], "CW0104");
  EXPECT_EQ(object["text"], "a\n\"b\" \xef\xbf\xbd\nfix: Correct that line; nothing behind it was read.");
  EXPECT_THAT(object["time"].get<std::string>(), testing::MatchesRegex("20..-..-..T..:..:..\\....Z"));
  EXPECT_FALSE(nlohmann::json::parse(ConsoleLog::format_json(Severity::kInfo, "", "serving")).contains("code"));
}

TEST_F(ConsoleLogTest, WritesToAFileWithTime) {
  ConsoleLog log;
  ASSERT_TRUE(ConsoleLog::open(log, path("log")).ok());
  log.info("hello");
  log.write(Severity::kDebug, "", "left out");
  EXPECT_THAT(text("log"), testing::MatchesRegex("20..-..-..T..:..:..\\....Z hello\n"));
}

TEST_F(ConsoleLogTest, ReopensAfterRotation) {
  ConsoleLog log;
  ASSERT_TRUE(ConsoleLog::open(log, path("log")).ok());
  log.info("one");
  std::filesystem::rename(path("log"), path("log.1"));
  log.info("two");
  ASSERT_TRUE(log.reopen().ok());
  log.info("three");
  EXPECT_THAT(text("log.1"), testing::AllOf(testing::HasSubstr("one"), testing::HasSubstr("two")));
  EXPECT_THAT(text("log"), testing::HasSubstr("three"));
}

TEST_F(ConsoleLogTest, FollowsNoSymbolicLink) {
  std::ofstream(path("target")) << "";
  std::filesystem::create_symlink(path("target"), path("link"));
  const auto told = [](const std::string& file) {
    auto opened = open_log_file(file);
    return opened ? "" : opened.error().message;
  };
  EXPECT_THAT(told(path("link")), testing::EndsWith("\nfix: name the file itself; a log is never written through a "
                                                    "symbolic link"));
  EXPECT_THAT(told(folder_), testing::EndsWith("Is a directory\nfix: name a file in it: " + path("cutwater.log")));
  EXPECT_THAT(told(path("nowhere/log")), testing::EndsWith("\nfix: create its folder: mkdir -p " + path("nowhere")));
}

TEST_F(ConsoleLogTest, FullPipeLosesLinesAndCountsThem) {
  ASSERT_EQ(mkfifo(path("pipe").c_str(), 0600), 0);
  base::FileDescriptor reader(::open(path("pipe").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  ConsoleLog log;
  ASSERT_TRUE(ConsoleLog::open(log, path("pipe")).ok());
  const std::string line(1000, 'x');
  for (int i = 0; i < 200; ++i) log.info(line);  // a pipe holds 64 KiB
  std::string seen;
  char buffer[4096];
  for (ssize_t size; (size = read(reader.get(), buffer, sizeof buffer)) > 0;)
    seen.append(buffer, static_cast<size_t>(size));
  log.info("again");
  for (ssize_t size; (size = read(reader.get(), buffer, sizeof buffer)) > 0;)
    seen.append(buffer, static_cast<size_t>(size));
  EXPECT_THAT(seen, testing::ContainsRegex("warning 1[0-9][0-9] messages were lost here"));
  EXPECT_THAT(seen, testing::EndsWith("again\n"));
}

}  // namespace
}  // namespace cutwater::app
