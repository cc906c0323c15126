#include "message/grammar.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace cutwater::message {
namespace {

TEST(Grammar, TokensAreOfTokenBytes) {
  EXPECT_TRUE(is_token("!#$%&'*+-.^_`|~09azAZ"));
  EXPECT_FALSE(is_token(""));
  for (int byte = 0; byte < 256; ++byte) {
    bool expected =
        std::isalnum(byte) != 0 ||
        (byte != 0 && std::string_view("!#$%&'*+-.^_`|~").find(static_cast<char>(byte)) != std::string_view::npos);
    EXPECT_EQ(is_token(std::string(1, static_cast<char>(byte))), expected) << byte;
  }
}

TEST(Grammar, ValuesHaveNoControlBytesButTab) {
  for (int byte = 0; byte < 256; ++byte) {
    bool control = (byte < 0x20 && byte != '\t') || byte == 0x7f;
    EXPECT_EQ(is_control_byte(static_cast<char>(byte)), control) << byte;
    EXPECT_EQ(is_field_value(std::string("ab") + static_cast<char>(byte) + "cd"), !control) << byte;
  }
  EXPECT_TRUE(valid_field("X", ""));
  EXPECT_FALSE(valid_field("X Y", "a"));
  EXPECT_FALSE(valid_field("X", "a\r\nb"));
}

// Eight or sixteen bytes are looked at together: every byte at every place, also behind a tab.
TEST(Grammar, FindsControlBytesAtEveryOffset) {
  for (size_t length = 0; length < 40; ++length) {
    for (size_t at = 0; at < length; ++at) {
      for (char control : {'\0', '\x1f', '\x7f', '\n'}) {
        std::string text(length, ' ');
        if (at > 0) text[at - 1] = '\t';
        text[at] = control;
        EXPECT_EQ(find_control(text.data(), text.data() + length) - text.data(), static_cast<ptrdiff_t>(at));
      }
    }
    for (char harmless : {'\t', ' ', '~', '\x80', '\xff'}) {
      std::string text(length, harmless);
      EXPECT_EQ(find_control(text.data(), text.data() + length), text.data() + length);
    }
  }
}

TEST(Grammar, TokensOfEveryLengthWithEveryByteAtEveryOffset) {
  EXPECT_FALSE(is_token(""));
  for (size_t length = 1; length < 40; ++length) {
    for (const std::string& text : {std::string(length, 'a'), std::string(length, 'Z'), std::string(length, '-')}) {
      EXPECT_TRUE(is_token(text));
      for (size_t at = 0; at < length; ++at) {
        for (int byte = 0; byte < 256; ++byte) {
          std::string other = text;
          other[at] = static_cast<char>(byte);
          if (is_token(other) != is_token_byte(other[at])) ADD_FAILURE() << length << " " << at << " " << byte;
        }
      }
    }
  }
}

TEST(Grammar, TakesListElements) {
  std::string_view rest = " a ,,\tb,c ";
  std::vector<std::string_view> elements;
  while (!rest.empty()) elements.push_back(next_list_element(rest));
  EXPECT_EQ(elements, (std::vector<std::string_view>{"a", "", "b", "c"}));
}

TEST(Grammar, ReadsHexadecimalDigits) {
  EXPECT_EQ(hex_value('0'), 0);
  EXPECT_EQ(hex_value('f'), 15);
  EXPECT_EQ(hex_value('A'), 10);
  EXPECT_EQ(hex_value('g'), -1);
  EXPECT_EQ(hex_value('@'), -1);
}

}  // namespace
}  // namespace cutwater::message
