#include "base/text.h"

#include <charconv>

namespace cutwater::base {

std::string to_ascii_lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = ascii_lower(c);
  return lower;
}

std::optional<uint64_t> parse_decimal(std::string_view digits) {
  if (digits.empty() || digits.front() < '0' || digits.front() > '9') return std::nullopt;
  uint64_t number = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return number;
}

void append_decimal(std::string& to, uint64_t number) {
  char digits[20];
  auto [end, error] = std::to_chars(digits, digits + sizeof digits, number);
  to.append(digits, end);
}

void append_hex_escape(std::string& to, char c) {
  static constexpr char kHex[] = "0123456789abcdef";
  const auto byte = static_cast<unsigned char>(c);
  to.append("\\x").append(1, kHex[byte >> 4]).append(1, kHex[byte & 15]);
}

void append_log_escaped(std::string& to, std::string_view text) {
  for (size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    const size_t control = control_length(text.substr(at));
    if (control == 0 && c != '"' && c != '\\') {
      to += c;
      continue;
    }
    append_hex_escape(to, c);
    if (control == 2) append_hex_escape(to, text[++at]);
  }
}

}  // namespace cutwater::base
