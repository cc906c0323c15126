#include "message/http_date.h"

#include <gtest/gtest.h>

namespace cutwater::message {
namespace {

constexpr int64_t kExample = 784111777;  // RFC 9110's own: Sun, 06 Nov 1994 08:49:37 GMT
constexpr int64_t kNow = 1767225600;     // 2026-01-01

TEST(HttpDate, Formats) {
  EXPECT_EQ(format_http_date(kExample), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(format_http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
  EXPECT_EQ(format_http_date(-1), "Wed, 31 Dec 1969 23:59:59 GMT");
  EXPECT_EQ(format_http_date(951782400), "Tue, 29 Feb 2000 00:00:00 GMT");
  EXPECT_EQ(format_http_date(INT64_MAX), "Fri, 31 Dec 9999 23:59:59 GMT");
  EXPECT_EQ(format_http_date(INT64_MIN).size(), kHttpDateLength);
}

TEST(HttpDate, ParsesTheThreeForms) {
  EXPECT_EQ(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT", kNow), kExample);
  EXPECT_EQ(parse_http_date("Sunday, 06-Nov-94 08:49:37 GMT", kNow), kExample);
  EXPECT_EQ(parse_http_date("Sun Nov  6 08:49:37 1994", kNow), kExample);
  EXPECT_EQ(parse_http_date("Wed Nov 16 08:49:37 1994", kNow), kExample + 10 * 86400);
}

TEST(HttpDate, SettlesTheCenturyOfTwoDigits) {
  EXPECT_EQ(format_http_date(*parse_http_date("Sunday, 06-Nov-76 08:49:37 GMT", kNow)).substr(12, 4), "2076");
  EXPECT_EQ(format_http_date(*parse_http_date("Sunday, 06-Nov-77 08:49:37 GMT", kNow)).substr(12, 4), "1977");
}

TEST(HttpDate, RoundTrips) {
  for (int64_t moment = -2'000'000'000; moment < 5'000'000'000; moment += 86400 * 13 + 4321) {
    ASSERT_EQ(parse_http_date(format_http_date(moment), kNow), moment);
  }
}

TEST(HttpDate, RefusesEverythingElse) {
  for (const char* bad : {"",
                          "now",
                          "Sun, 06 Nov 1994 08:49:37",
                          "Sun, 06 Nov 1994 08:49:37 GMT ",
                          " Sun, 06 Nov 1994 08:49:37 GMT",
                          "sun, 06 nov 1994 08:49:37 gmt",
                          "Sun, 6 Nov 1994 08:49:37 GMT",
                          "Sun, 06 Nov 94 08:49:37 GMT",
                          "Sun, 31 Feb 1994 08:49:37 GMT",
                          "Sun, 00 Nov 1994 08:49:37 GMT",
                          "Sun, 06 Nov 1994 24:00:00 GMT",
                          "Sun, 06 Nov 1994 08:60:37 GMT",
                          "Sun, 06 Nov 1994 08:49:61 GMT",
                          "Sun, 06 Nov 1994 08:49:37 CET",
                          "Sun, 06 Nov 1994 8:49:37 GMT",
                          "Sun, 06 Nov +994 08:49:37 GMT",
                          "784111777",
                          "Sun Nov 6 08:49:37 1994",
                          "Xxx, 06 Nov 1994 08:49:37 GMT",
                          "Sun, 06 Nov 1994 08:49:37 GMT; length=1"}) {
    EXPECT_EQ(parse_http_date(bad, kNow), std::nullopt) << bad;
  }
  std::string date = format_http_date(kExample);
  for (size_t at = 0; at < date.size(); ++at) {
    EXPECT_EQ(parse_http_date(date.substr(0, at), kNow), std::nullopt);
    std::string damaged = date;
    damaged[at] = '\0';
    EXPECT_EQ(parse_http_date(damaged, kNow), std::nullopt);
  }
}

}  // namespace
}  // namespace cutwater::message
