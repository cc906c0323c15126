#include "base/text.h"

#include <algorithm>
#include <array>
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

namespace {

constexpr char kMayBeginControl = '\xc2';

constexpr std::array<bool, 256> make_plain_table() {
  std::array<bool, 256> table{};
  for (size_t byte = 0; byte < table.size(); ++byte) table[byte] = byte >= 0x20 && byte != 0x7f;
  for (char c : {'"', '\\', kMayBeginControl}) table[static_cast<unsigned char>(c)] = false;
  return table;
}
constexpr std::array<bool, 256> kPlain = make_plain_table();

// Stands for itself in a log, whatever follows.
constexpr bool is_plain(char c) {
  return kPlain[static_cast<unsigned char>(c)];
}

}  // namespace

void append_hex_escape(std::string& to, char c) {
  static constexpr char kHex[] = "0123456789abcdef";
  const auto byte = static_cast<unsigned char>(c);
  to.append("\\x").append(1, kHex[byte >> 4]).append(1, kHex[byte & 15]);
}

void append_log_escaped(std::string& to, std::string_view text) {
  while (true) {
    const auto special = std::find_if_not(text.begin(), text.end(), is_plain);
    const auto plain = static_cast<size_t>(special - text.begin());
    to += text.substr(0, plain);
    text.remove_prefix(plain);
    if (text.empty()) return;
    const size_t control = control_length(text);
    const size_t length = std::max<size_t>(control, 1);
    if (control == 0 && text.front() == kMayBeginControl) {
      to += text.front();
    } else {
      for (char c : text.substr(0, length)) append_hex_escape(to, c);
    }
    text.remove_prefix(length);
  }
}

}  // namespace cutwater::base
