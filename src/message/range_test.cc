#include "message/range.h"

#include <gtest/gtest.h>

namespace cutwater::message {
namespace {

std::string parsed(std::string_view value, uint64_t size) {
  ByteRange range = parse_range(value, size);
  if (range.kind == ByteRange::Kind::kWhole) return "whole";
  std::string text;
  append_content_range(text, range, size);
  if (range.kind == ByteRange::Kind::kPart) {
    EXPECT_LE(range.first + range.length, size) << value;
  }
  return text;
}

TEST(Range, TakesOneRange) {
  EXPECT_EQ(parsed("bytes=0-9", 100), "bytes 0-9/100");
  EXPECT_EQ(parsed("bytes=0-0", 1), "bytes 0-0/1");
  EXPECT_EQ(parsed("bytes=90-", 100), "bytes 90-99/100");
  EXPECT_EQ(parsed("bytes=90-1000", 100), "bytes 90-99/100");
  EXPECT_EQ(parsed("bytes=-10", 100), "bytes 90-99/100");
  EXPECT_EQ(parsed("bytes=-100", 100), "bytes 0-99/100");
  EXPECT_EQ(parsed("bytes=-101", 100), "bytes 0-99/100");
  EXPECT_EQ(parsed("BYTES= 5-6 ", 100), "bytes 5-6/100");
  EXPECT_EQ(parsed("bytes=,5-6,", 100), "bytes 5-6/100");
}

TEST(Range, AnswersWhatCannotBeSatisfied) {
  EXPECT_EQ(parsed("bytes=100-", 100), "bytes */100");
  EXPECT_EQ(parsed("bytes=-0", 100), "bytes */100");
  EXPECT_EQ(parsed("bytes=0-", 0), "bytes */0");
  EXPECT_EQ(parsed("bytes=-5", 0), "bytes */0");
  EXPECT_EQ(parsed("bytes=200-300,400-500", 100), "bytes */100");
}

TEST(Range, IgnoresWhatIsMalformed) {
  for (const char* bad :
       {"",          "bytes",       "bytes=",     "bytes=,",     "bytes=abc-xyz", "bytes=5-1",  "bytes=-",
        "bytes=5",   "bytes=1-2-3", "bytes=+1-2", "bytes=1-+2",  "bytes=0x1-2",   "bytes=1 -2", "bytes 1-2",
        "lines=1-2", "bytes=1-2;",  "bytes=--5",  "bytes=0-1,x", "bytes =0-1",    "bytes=1.0-2"}) {
    EXPECT_EQ(parsed(bad, 100), "whole") << bad;
  }
}

TEST(Range, NeverOverflows) {
  EXPECT_EQ(parsed("bytes=-9223372036854775608", 100), "bytes 0-99/100");
  EXPECT_EQ(parsed("bytes=-18446744073709551615", UINT64_MAX), "bytes 0-18446744073709551614/18446744073709551615");
  EXPECT_EQ(parsed("bytes=0-18446744073709551615", UINT64_MAX), "bytes 0-18446744073709551614/18446744073709551615");
  EXPECT_EQ(parsed("bytes=0-99999999999999999999999", 100), "bytes 0-99/100");
  EXPECT_EQ(parsed("bytes=99999999999999999999999-", 100), "bytes */100");
  EXPECT_EQ(parsed("bytes=-99999999999999999999999", 100), "bytes 0-99/100");
}

TEST(Range, SeveralRangesGetTheWhole) {
  EXPECT_EQ(parsed("bytes=0-0,5-9", 100), "whole");
  EXPECT_EQ(parsed("bytes=0-0,500-900", 100), "whole");
  std::string many = "bytes=0-";
  for (int i = 0; i < 1000; ++i) many += ",0-";
  EXPECT_EQ(parsed(many, 100), "whole");
  EXPECT_EQ(parsed("bytes=" + std::string(40000, ','), 100), "whole");
}

TEST(Range, CountsForGetAloneAndOnce) {
  Validators validators{"\"a\"", std::nullopt};
  Request request;
  request.method = "GET";
  request.headers.add("Range", "bytes=1-2");
  EXPECT_EQ(select_range(request, validators, 10, 0).length, 2U);
  request.headers.add("If-Range", "\"b\"");
  EXPECT_EQ(select_range(request, validators, 10, 0).kind, ByteRange::Kind::kWhole);
  request.headers.remove_all("If-Range");
  request.headers.add("Range", "bytes=1-2");
  EXPECT_EQ(select_range(request, validators, 10, 0).kind, ByteRange::Kind::kWhole);
  for (const char* method : {"HEAD", "POST", "get"}) {
    Request other;
    other.method = method;
    other.headers.add("Range", "bytes=1-2");
    EXPECT_EQ(select_range(other, validators, 10, 0).kind, ByteRange::Kind::kWhole) << method;
  }
}

}  // namespace
}  // namespace cutwater::message
