#include "supervise/told.h"

#include <gtest/gtest.h>

#include "supervise/app_test_support.h"

namespace cutwater::supervise {
namespace {

control::Message message(nlohmann::json body) {
  return {std::move(body), {}};
}

TEST(Told, IsLoggedAsItSays) {
  RecordingLog log;
  EXPECT_TRUE(log_if_told(
      message({{"type", "told"}, {"severity", "error"}, {"code", "CW0502"}, {"text", "web: raised\nat app.py:1"}}),
      log));
  EXPECT_TRUE(log_if_told(message({{"type", "told"}, {"severity", "info"}, {"code", ""}, {"text", "note"}}), log));
  EXPECT_EQ(log.lines, (std::vector<std::string>{"CW0502 web: raised\nat app.py:1", "note"}));
}

TEST(Told, OtherMessagesAreNotItsBusiness) {
  RecordingLog log;
  EXPECT_FALSE(log_if_told(message({{"type", "ready"}, {"pid", 1}}), log));
  EXPECT_TRUE(log.lines.empty());
}

TEST(Told, DamagedOnesAreLeftOutAndForgeNoCode) {
  RecordingLog log;
  EXPECT_TRUE(log_if_told(message({{"type", "told"}, {"text", 5}}), log));
  EXPECT_TRUE(log.lines.empty());
  EXPECT_TRUE(
      log_if_told(message({{"type", "told"}, {"severity", "warning"}, {"code", "CW1\nx]"}, {"text", "text"}}), log));
  EXPECT_EQ(log.lines, std::vector<std::string>{" text"});
}

}  // namespace
}  // namespace cutwater::supervise
