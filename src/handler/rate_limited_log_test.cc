#include "handler/rate_limited_log.h"

#include <gtest/gtest.h>

#include <vector>

namespace cutwater::handler {
namespace {

class Lines : public base::LogSink {
 public:
  void write(base::Severity, std::string_view code, std::string_view text) override {
    lines.push_back(std::string(code) + " " + std::string(text));
  }
  std::vector<std::string> lines;
};

TEST(RateLimitedLog, OnceASecondForEachCodeAndHowOften) {
  Lines lines;
  RateLimitedLog log(lines);
  base::Instant now{};
  for (int times = 0; times < 5; ++times) log.write(base::Severity::kError, "A", "one", now);
  log.write(base::Severity::kError, "B", "two", now);
  now = now + std::chrono::seconds(1);
  log.write(base::Severity::kError, "A", "one", now);
  EXPECT_EQ(lines.lines, (std::vector<std::string>{"A one", "B two", "A one (4 more like it before)"}));
}

TEST(RateLimitedLog, EachThingIsToldOf) {
  Lines lines;
  RateLimitedLog log(lines);
  for (int times = 0; times < 3; ++times) {
    for (const char* script : {"/a", "/b"}) log.write(base::Severity::kError, "A", script, {}, script);
  }
  EXPECT_EQ(lines.lines, (std::vector<std::string>{"A /a", "A /b"}));
}

TEST(RateLimitedLog, NotOfThousands) {
  Lines lines;
  RateLimitedLog log(lines);
  for (int number = 0; number < 10'000; ++number) {
    log.write(base::Severity::kError, "A", "x", {}, std::to_string(number));
  }
  EXPECT_GT(lines.lines.size(), 10u);
  EXPECT_LT(lines.lines.size(), 1000u);
}

}  // namespace
}  // namespace cutwater::handler
