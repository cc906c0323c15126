#include "codec/scgi/request_head.h"

#include <gtest/gtest.h>

namespace cutwater::codec::scgi {
namespace {

std::string netstring(std::string_view headers) {
  return std::to_string(headers.size()) + ":" + std::string(headers) + ",";
}
std::string with_nuls(std::string_view text) {  // '|' stands for NUL
  std::string bytes(text);
  for (char& c : bytes)
    if (c == '|') c = '\0';
  return bytes;
}
std::string head(std::string_view headers) {
  return netstring(with_nuls(headers));
}

TEST(ScgiRequestHeadTest, TheExampleOfTheSpecification) {
  const std::string bytes =
      head("CONTENT_LENGTH|27|SCGI|1|REQUEST_METHOD|POST|REQUEST_URI|/deepthought|") + "What is the answer to life?";
  Variables variables;
  const HeadResult result = read_request_head(bytes, {}, variables);
  ASSERT_EQ(result.kind, HeadResult::kComplete) << result.reason;
  EXPECT_EQ(result.content_length, 27u);
  EXPECT_EQ(bytes.substr(result.consumed), "What is the answer to life?");
  ASSERT_EQ(variables.size(), 4u);
  EXPECT_EQ(variables[3].name, "REQUEST_URI");
  EXPECT_EQ(variables[3].value, "/deepthought");
}

TEST(ScgiRequestHeadTest, EveryCutIsIncompleteAndSaysWhatItNeeds) {
  const std::string bytes = head("CONTENT_LENGTH|0|SCGI|1|A||");
  for (size_t cut = 0; cut < bytes.size(); ++cut) {
    Variables variables;
    const HeadResult result = read_request_head(bytes.substr(0, cut), {}, variables);
    ASSERT_EQ(result.kind, HeadResult::kIncomplete) << cut;
    EXPECT_GT(result.needed, cut);
    EXPECT_LE(result.needed, bytes.size());
    EXPECT_TRUE(variables.empty());
  }
}

TEST(ScgiRequestHeadTest, Refused) {
  const VariableLimits small{100, 4};
  const std::string cases[] = {
      "0:,",
      "00:,",
      "012:" + with_nuls("CONTENT_LENGTH|0|SCGI|1|") + ",",
      ":,",
      "x",
      "-5:,",
      "+5:,",
      "99999999999:",
      "99999999999:x",
      "99999999999",
      "12345678901234567890:",
      "18446744073709551616:",
      "12345678901234567890",
      "26:" + with_nuls("CONTENT_LENGTH|0|SCGI|1|A|") + "|",
      head("CONTENT_LENGTH|0|SCGI|1|A|"),
      head("CONTENT_LENGTH|0|SCGI|1|A|b"),
      head("CONTENT_LENGTH|0|SCGI|1||b|"),
      head("SCGI|1|CONTENT_LENGTH|0|"),
      head("SCGI|1|"),
      head("CONTENT_LENGTH||SCGI|1|"),
      head("CONTENT_LENGTH|-1|SCGI|1|"),
      head("CONTENT_LENGTH|1 |SCGI|1|"),
      head("CONTENT_LENGTH|1|CONTENT_LENGTH|1|SCGI|1|"),
      head("CONTENT_LENGTH|1|"),
      head("CONTENT_LENGTH|1|SCGI|2|"),
      head("CONTENT_LENGTH|1|SCGI|1|SCGI|1|"),
      "GET / HTTP/1.1\r\n\r\n",
  };
  for (const std::string& bytes : cases) {
    Variables variables;
    const HeadResult result = read_request_head(bytes, small, variables);
    EXPECT_EQ(result.kind, HeadResult::kMalformed) << bytes;
    EXPECT_STRNE(result.reason, "") << bytes;
  }
}

TEST(ScgiRequestHeadTest, TooLargeIsToldApart) {
  const VariableLimits small{100, 4};
  for (const std::string& bytes :
       {std::string("9999999999:x"), std::string("101:x"), head("CONTENT_LENGTH|1|SCGI|1|A|1|B|2|C|3|")}) {
    Variables variables;
    EXPECT_EQ(read_request_head(bytes, small, variables).kind, HeadResult::kTooLarge) << bytes;
  }
}

TEST(ScgiRequestHeadTest, WhatIsWrittenIsRead) {
  std::string bytes = "before";
  ASSERT_TRUE(append_request_head(bytes, 5, {{"A", ""}, {"CONTENT_LENGTH", "7"}, {"B", "two words"}}));
  Variables variables;
  const HeadResult result = read_request_head(std::string_view(bytes).substr(6), {}, variables);
  ASSERT_EQ(result.kind, HeadResult::kComplete) << result.reason;
  EXPECT_EQ(result.content_length, 5u);
  EXPECT_EQ(variables.size(), 4u);
  EXPECT_FALSE(append_request_head(bytes, 0, {{"A", std::string_view("x\0y", 3)}}));
}

}  // namespace
}  // namespace cutwater::codec::scgi
