#include "message/conditional.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <utility>

namespace cutwater::message {
namespace {

constexpr int64_t kModified = 784111777;
constexpr int64_t kNow = kModified + 1000;
constexpr std::string_view kAt = "Sun, 06 Nov 1994 08:49:37 GMT";
constexpr std::string_view kBefore = "Sun, 06 Nov 1994 08:49:36 GMT";
constexpr std::string_view kAfter = "Sun, 06 Nov 1994 08:49:38 GMT";
const Validators kStrong{"\"v1\"", kModified};
const Validators kWeak{"W/\"v1\"", kModified};
const Validators kNone{};

Request request(std::string_view method, std::initializer_list<HeaderField> fields) {
  Request made;
  made.method = method;
  for (const HeaderField& field : fields) made.headers.add(field.name, field.value);
  return made;
}

Precondition evaluate(std::string_view method, std::initializer_list<HeaderField> fields,
                      const Validators& validators = kStrong) {
  return evaluate_preconditions(request(method, fields), validators, kNow);
}

TEST(Conditional, WithoutConditionsProceeds) {
  EXPECT_EQ(evaluate("GET", {}), Precondition::kProceed);
}

TEST(Conditional, IfNoneMatch) {
  EXPECT_EQ(evaluate("GET", {{"If-None-Match", "\"v1\""}}), Precondition::kNotModified);
  EXPECT_EQ(evaluate("HEAD", {{"if-none-match", "W/\"v1\""}}), Precondition::kNotModified);
  EXPECT_EQ(evaluate("PUT", {{"If-None-Match", "\"v1\""}}), Precondition::kFailed);
  EXPECT_EQ(evaluate("GET", {{"If-None-Match", "\"v2\""}}), Precondition::kProceed);
  EXPECT_EQ(evaluate("GET", {{"If-None-Match", "\"v2\", W/\"x,y\" ,\"v1\""}}), Precondition::kNotModified);
  EXPECT_EQ(evaluate("GET", {{"If-None-Match", "\"v2\""}, {"If-None-Match", "\"v1\""}}), Precondition::kNotModified);
  EXPECT_EQ(evaluate("GET", {{"If-None-Match", "*"}}), Precondition::kNotModified);
  EXPECT_EQ(evaluate("PUT", {{"If-None-Match", "*"}}, kNone), Precondition::kFailed);
  EXPECT_EQ(evaluate("GET", {{"If-None-Match", "\"v1\""}}, kNone), Precondition::kProceed);
}

TEST(Conditional, MalformedTagsMatchNothing) {
  for (const char* bad : {"v1", "\"v1", "v1\"", "\"v 1\"", "w/\"v1\"", "", "\"v2\" \"v1\"", "W/v1"}) {
    EXPECT_EQ(evaluate("GET", {{"If-None-Match", bad}}), Precondition::kProceed) << bad;
    EXPECT_EQ(evaluate("PUT", {{"If-Match", bad}}), Precondition::kFailed) << bad;
  }
}

TEST(Conditional, IfMatchComparesStrongly) {
  EXPECT_EQ(evaluate("PUT", {{"If-Match", "\"v1\""}}), Precondition::kProceed);
  EXPECT_EQ(evaluate("PUT", {{"If-Match", "*"}}), Precondition::kProceed);
  EXPECT_EQ(evaluate("PUT", {{"If-Match", "\"v2\""}}), Precondition::kFailed);
  EXPECT_EQ(evaluate("PUT", {{"If-Match", "W/\"v1\""}}), Precondition::kFailed);
  EXPECT_EQ(evaluate("GET", {{"If-Match", "\"v1\""}}, kWeak), Precondition::kFailed);
}

TEST(Conditional, Dates) {
  EXPECT_EQ(evaluate("GET", {{"If-Modified-Since", kAt}}), Precondition::kNotModified);
  EXPECT_EQ(evaluate("GET", {{"If-Modified-Since", kAfter}}), Precondition::kNotModified);
  EXPECT_EQ(evaluate("GET", {{"If-Modified-Since", kBefore}}), Precondition::kProceed);
  EXPECT_EQ(evaluate("POST", {{"If-Modified-Since", kAt}}), Precondition::kProceed);
  EXPECT_EQ(evaluate("GET", {{"If-Modified-Since", "yesterday"}}), Precondition::kProceed);
  EXPECT_EQ(evaluate("GET", {{"If-Modified-Since", kAt}, {"If-Modified-Since", kAt}}), Precondition::kProceed);
  EXPECT_EQ(evaluate("GET", {{"If-Modified-Since", kAt}}, kNone), Precondition::kProceed);
  EXPECT_EQ(evaluate("GET", {{"If-Unmodified-Since", kBefore}}), Precondition::kFailed);
  EXPECT_EQ(evaluate("GET", {{"If-Unmodified-Since", kAt}}), Precondition::kProceed);
  EXPECT_EQ(evaluate("GET", {{"If-Unmodified-Since", "yesterday"}}), Precondition::kProceed);
}

TEST(Conditional, OrderOfSection13) {
  // If-Match wins over If-Unmodified-Since, If-None-Match over If-Modified-Since; both pairs are looked at.
  EXPECT_EQ(evaluate("GET", {{"If-Match", "\"v1\""}, {"If-Unmodified-Since", kBefore}}), Precondition::kProceed);
  EXPECT_EQ(evaluate("GET", {{"If-None-Match", "\"v2\""}, {"If-Modified-Since", kAt}}), Precondition::kProceed);
  EXPECT_EQ(evaluate("GET", {{"If-Match", "\"v2\""}, {"If-None-Match", "\"v1\""}}), Precondition::kFailed);
  EXPECT_EQ(evaluate("GET", {{"If-Match", "\"v1\""}, {"If-None-Match", "\"v1\""}}), Precondition::kNotModified);
}

TEST(Conditional, IfRange) {
  auto allows = [](std::string_view value, const Validators& validators = kStrong, int64_t now = kNow) {
    return if_range_allows(request("GET", {{"If-Range", value}}), validators, now);
  };
  EXPECT_TRUE(if_range_allows(request("GET", {}), kStrong, kNow));
  EXPECT_TRUE(allows("\"v1\""));
  EXPECT_FALSE(allows("\"v2\""));
  EXPECT_FALSE(allows("W/\"v1\""));
  EXPECT_FALSE(allows("W/\"v1\"", kWeak));
  EXPECT_FALSE(allows("\"v1\", \"v1\""));
  EXPECT_TRUE(allows(kAt));
  EXPECT_FALSE(allows(kAfter));
  EXPECT_FALSE(allows(kBefore));
  EXPECT_FALSE(allows(kAt, kStrong, kModified));  // changed within this second: may change again
  EXPECT_FALSE(allows("nonsense"));
  EXPECT_FALSE(allows(kAt, kNone));
  EXPECT_FALSE(if_range_allows(request("GET", {{"If-Range", "\"v1\""}, {"If-Range", "\"v1\""}}), kStrong, kNow));
}

}  // namespace
}  // namespace cutwater::message
