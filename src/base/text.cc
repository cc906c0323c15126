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

std::string counted(uint64_t number, std::string_view thing) {
  std::string text;
  append_decimal(text, number);
  text.append(" ").append(thing);
  if (number != 1) text += thing.ends_with('s') ? "es" : "s";
  return text;
}

std::string seconds_text(Duration span) {
  char digits[32];
  const double seconds = std::chrono::duration<double>(span).count();
  const auto written = std::to_chars(std::begin(digits), std::end(digits), seconds, std::chars_format::fixed, 3);
  std::string text(std::begin(digits), written.ptr);
  text.resize(text.find_last_not_of('0') + 1);
  if (text.ends_with('.')) text.pop_back();
  return text + " s";
}

namespace {

constexpr std::array<bool, 256> make_plain_table() {
  std::array<bool, 256> table{};
  for (size_t byte = 0; byte < table.size(); ++byte) table[byte] = byte >= 0x20 && byte < 0x7f;
  for (char c : {'"', '\\'}) table[static_cast<unsigned char>(c)] = false;
  return table;
}
constexpr std::array<bool, 256> kPlain = make_plain_table();

// Stands for itself in a log, whatever follows.
constexpr bool is_plain(char c) {
  return kPlain[static_cast<unsigned char>(c)];
}

}  // namespace

std::string_view leading_lines(std::string_view text, size_t limit) {
  if (text.size() <= limit) return text;
  const size_t last = text.substr(0, limit).rfind('\n');
  if (last == std::string_view::npos) return text.substr(0, limit);
  size_t end = last;
  while (end != std::string_view::npos && text[end + 1] == ' ') end = end == 0 ? end - 1 : text.rfind('\n', end - 1);
  return text.substr(0, (end == std::string_view::npos ? last : end) + 1);
}

std::string_view leading_text(std::string_view text, size_t limit) {
  if (text.size() <= limit) return text;
  size_t end = limit;
  const auto continues = [&](size_t at) { return (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80; };
  while (end > 0 && limit - end < 3 && continues(end)) --end;
  return text.substr(0, end);
}

size_t utf8_length(std::string_view text) {
  auto byte = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  auto continues = [&](size_t i) { return (byte(i) & 0xc0) == 0x80; };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return continues(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    const bool overlong = first == 0xe0 && byte(1) < 0xa0;
    const bool surrogate = first == 0xed && byte(1) > 0x9f;
    return continues(1) && continues(2) && !overlong && !surrogate ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    const bool overlong = first == 0xf0 && byte(1) < 0x90;
    const bool too_large = first == 0xf4 && byte(1) > 0x8f;
    return continues(1) && continues(2) && continues(3) && !overlong && !too_large ? 4 : 0;
  }
  return 0;
}

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
    const size_t length = utf8_length(text);
    const std::string_view character = text.substr(0, std::max<size_t>(length, 1));
    if (length > 1 && !must_be_escaped(character)) {
      to += character;
    } else {
      for (char c : character) append_hex_escape(to, c);
    }
    text.remove_prefix(character.size());
  }
}

}  // namespace cutwater::base
