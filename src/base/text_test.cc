#include "base/text.h"

#include <gtest/gtest.h>

namespace cutwater::base {
namespace {

TEST(Text, ComparesIgnoringAsciiCaseOnly) {
  EXPECT_TRUE(equals_ignoring_case("Content-Length", "cONTENT-lENGTH"));
  EXPECT_TRUE(equals_ignoring_case("", ""));
  EXPECT_FALSE(equals_ignoring_case("a", "ab"));
  EXPECT_FALSE(equals_ignoring_case("[", "{"));
  EXPECT_FALSE(equals_ignoring_case("@", "`"));
  EXPECT_FALSE(equals_ignoring_case("\xc4", "\xe4"));
  EXPECT_EQ(to_ascii_lower("AZ[\xc4z9"), "az[\xc4z9");
}

TEST(Text, ParsesDecimalStrictly) {
  EXPECT_EQ(parse_decimal("0"), 0U);
  EXPECT_EQ(parse_decimal("010"), 10U);
  EXPECT_EQ(parse_decimal("18446744073709551615"), UINT64_MAX);
  EXPECT_EQ(parse_decimal("0000000000000000000000000000001"), 1U);
  for (const char* bad : {"", "+1", "-1", " 1", "1 ", "0x1", "1_0", "1.0", "18446744073709551616",
                          "99999999999999999999999", "\xd9\xa1"}) {
    EXPECT_EQ(parse_decimal(bad), std::nullopt) << bad;
  }
}

TEST(Text, AppendsDecimal) {
  std::string to = "n=";
  append_decimal(to, 0);
  append_decimal(to, UINT64_MAX);
  EXPECT_EQ(to, "n=018446744073709551615");
}

TEST(Text, TrimsBlanksOnly) {
  EXPECT_EQ(trim_whitespace(" \t a b\t "), "a b");
  EXPECT_EQ(trim_whitespace("a"), "a");
  EXPECT_EQ(trim_whitespace(" \t "), "");
  EXPECT_EQ(trim_whitespace(""), "");
  EXPECT_EQ(trim_whitespace("\va\n"), "\va\n");
  EXPECT_EQ(trim_whitespace("\xa0"
                            "a"),
            "\xa0"
            "a");
}

TEST(Text, EscapesWhatBreaksALogLine) {
  std::string to;
  append_log_escaped(to, std::string_view("a\r\n\0\x1b\x7f\"\\\xc3\xa4", 10));
  EXPECT_EQ(to, "a\\x0d\\x0a\\x00\\x1b\\x7f\\x22\\x5c\xc3\xa4");
  to.clear();
  append_log_escaped(to, "\xc2\x9b[2J \xc2\xa0 \xc2");  // C1, a blank that is none, and a byte cut off
  EXPECT_EQ(to, "\\xc2\\x9b[2J \xc2\xa0 \\xc2");
  to.clear();
  append_log_escaped(to, "\xc2\x85 \xe2\x80\xa8 \xe2\x80\xa9 \xe2\x80\xae \xe2\x80\xaf \xf0\x9f\x98\x80 \xed\xa0\x80");
  EXPECT_EQ(to,
            "\\xc2\\x85 \\xe2\\x80\\xa8 \\xe2\\x80\\xa9 \\xe2\\x80\\xae \xe2\x80\xaf \xf0\x9f\x98\x80 \\xed\\xa0\\x80");
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    const bool breaks = byte < 0x20 || byte >= 0x7f || c == '"' || c == '\\';  // from 0x80 on: no UTF-8, and C1 to some
    std::string escaped;
    append_hex_escape(escaped, c);
    to.clear();
    append_log_escaped(to, std::string("ab") + c + "cd");
    EXPECT_EQ(to, "ab" + (breaks ? escaped : std::string(1, c)) + "cd") << byte;
  }
}

}  // namespace
TEST(Text, Counted) {
  EXPECT_EQ(counted(0, "worker"), "0 workers");
  EXPECT_EQ(counted(1, "worker"), "1 worker");
  EXPECT_EQ(counted(2, "worker"), "2 workers");
  EXPECT_EQ(counted(1, "process"), "1 process");
  EXPECT_EQ(counted(3, "process"), "3 processes");
}

TEST(Release, GivesTheMemoryBack) {
  std::string text(100'000, 'x');
  release(text);
  EXPECT_EQ(text, "");
  EXPECT_EQ(text.capacity(), std::string().capacity());
}

TEST(Text, SecondsAreNotCutOff) {
  using std::chrono::milliseconds;
  EXPECT_EQ(seconds_text(milliseconds(0)), "0 s");
  EXPECT_EQ(seconds_text(milliseconds(1500)), "1.5 s");
  EXPECT_EQ(seconds_text(milliseconds(150)), "0.15 s");
  EXPECT_EQ(seconds_text(milliseconds(5)), "0.005 s");
  EXPECT_EQ(seconds_text(std::chrono::hours(24 * 30)), "2592000 s");
}

TEST(Text, LeadingLinesEndWithALineAndAMessage) {
  EXPECT_EQ(leading_lines("a\nb\n", 4), "a\nb\n");
  EXPECT_EQ(leading_lines("a\nb\nc\n", 5), "a\nb\n");
  EXPECT_EQ(leading_lines("a\nb\n  c\nd\n", 6), "a\n");
  EXPECT_EQ(leading_lines("b\n  c\n  d\n", 6), "b\n  c\n");
  EXPECT_EQ(leading_lines("abcdef\n", 3), "abc");
  EXPECT_EQ(leading_lines("\n bcdef\n", 3), "\n");
}

TEST(Text, LeadingTextCutsNoCharacter) {
  EXPECT_EQ(leading_text("abc", 3), "abc");
  EXPECT_EQ(leading_text("abc", 2), "ab");
  for (size_t limit = 1; limit < 5; ++limit) EXPECT_EQ(leading_text("a\xf0\x9f\x98\x80z", limit), "a") << limit;
  EXPECT_EQ(leading_text("a\xf0\x9f\x98\x80z", 5), "a\xf0\x9f\x98\x80");
  EXPECT_EQ(leading_text("\x80\x80\x80\x80\x80\x80", 4), "\x80");
}

}  // namespace cutwater::base
