// Small text helpers without a locale; ASCII only but where UTF-8 is named.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace cutwater::base {

constexpr char ascii_upper(char c) {
  return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
}
constexpr char ascii_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}
inline bool equals_ignoring_case(std::string_view left, std::string_view right) {
  if (left.size() != right.size()) return false;
  for (size_t index = 0; index < left.size(); ++index) {
    if (ascii_lower(left[index]) != ascii_lower(right[index])) return false;
  }
  return true;
}
std::string to_ascii_lower(std::string_view text);

// Empties `text` and gives its memory back, which the assignment of an empty string keeps.
inline void release(std::string& text) {
  std::string().swap(text);
}

// Of the whole lines at the start of `text` as many as fit into `limit` bytes, the lines of one message together where
// that can be (its further ones begin with a blank); of a line that does not fit its first `limit` bytes.
std::string_view leading_lines(std::string_view text, size_t limit);
// The first `limit` bytes of `text`, no character of UTF-8 cut in two.
std::string_view leading_text(std::string_view text, size_t limit);

// Only digits, no sign, no blanks; nullopt on anything else and on overflow.
std::optional<uint64_t> parse_decimal(std::string_view digits);
void append_decimal(std::string& to, uint64_t number);
// For people: "1 worker", "3 workers", "2 processes".
std::string counted(uint64_t number, std::string_view thing);
// For people: "60 s", "1.5 s", "0.15 s".
std::string seconds_text(Duration span);

// Without SP and HTAB at both ends (OWS of RFC 9110 section 5.6.3).
inline std::string_view trim_whitespace(std::string_view text) {
  auto is_blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

// Bytes of the control character that a text not empty begins with, 0: none. Those of UTF-8 (C1) have two: terminals
// take U+009B for ESC [.
constexpr size_t control_length(std::string_view text) {
  const auto byte = [text](size_t index) { return static_cast<unsigned char>(text[index]); };
  if (byte(0) < 0x20 || byte(0) == 0x7f) return 1;
  return text.size() > 1 && byte(0) == 0xc2 && byte(1) >= 0x80 && byte(1) < 0xa0 ? 2 : 0;
}

// Length of the well-formed UTF-8 sequence at the start of `text` (RFC 3629 section 4), 0 when there is none.
size_t utf8_length(std::string_view text);

// Whether a character of UTF-8 is more than itself to a terminal or to a reader of lines: controls, line ends (U+2028,
// U+2029) and what turns the direction of the text round (U+202A to U+202E, U+2066 to U+2069).
constexpr bool must_be_escaped(std::string_view character) {
  if (control_length(character) > 0) return true;
  if (character.size() != 3) return false;
  const std::string_view start = character.substr(0, 2);
  const char last = character.back();
  return (start == "\xe2\x80" && last >= '\xa8' && last <= '\xae') ||
         (start == "\xe2\x81" && last >= '\xa6' && last <= '\xa9');
}

// "\x1b"
void append_hex_escape(std::string& to, char c);

// Controls, line ends, '"', '\' and what is no UTF-8 become \xHH: safe inside one line of a log (faults.md 43), also
// for terminals and readers that take bytes for characters.
void append_log_escaped(std::string& to, std::string_view text);

}  // namespace cutwater::base
