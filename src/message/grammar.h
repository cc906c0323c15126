// The bytes of HTTP: what may stand in names and values (RFC 9110 section 5). Used by everything that reads a
// message or puts one on a wire, so that nothing is ever accepted in one place and refused in another.
//
//   token       = 1*( DIGIT / ALPHA / one of ! # $ % & ' * + - . ^ _ ` | ~ )
//   field-value = bytes but CTL; HTAB is allowed, obs-text (0x80-0xff) too
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace cutwater::message {

namespace detail {
constexpr std::array<bool, 256> make_token_table() {
  std::array<bool, 256> table{};
  for (char c : std::string_view("!#$%&'*+-.^_`|~0123456789"
                                 "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")) {
    table[static_cast<unsigned char>(c)] = true;
  }
  return table;
}
inline constexpr std::array<bool, 256> kTokenTable = make_token_table();
}  // namespace detail

constexpr bool is_token_byte(char c) {
  return detail::kTokenTable[static_cast<unsigned char>(c)];
}
// CTL but HTAB: 0x00-0x08, 0x0a-0x1f, 0x7f.
constexpr bool is_control_byte(char c) {
  auto byte = static_cast<unsigned char>(c);
  return (byte < 0x20 && byte != '\t') || byte == 0x7f;
}
// The value of a hexadecimal digit, or -1.
constexpr int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The first control byte (HTAB is none) in [begin, end), or end. Looks at many bytes at a time.
const char* find_control(const char* begin, const char* end);

bool is_token(std::string_view text);
// True for a value that cannot break out of its line: no control byte but HTAB.
bool is_field_value(std::string_view text);
inline bool valid_field(std::string_view name, std::string_view value) {
  return is_token(name) && is_field_value(value);
}

// Takes the next element of a comma-separated list (RFC 9110 section 5.6.1) off `rest`, without its
// whitespace; an empty one is given as empty. Commas inside quoted strings are not looked for: for lists of
// tokens only.
std::string_view next_list_element(std::string_view& rest);

}  // namespace cutwater::message
