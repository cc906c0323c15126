#include "base/base64.h"

#include <cstdint>

namespace cutwater::base {

namespace {

constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

}  // namespace

std::string to_base64(std::string_view bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t at = 0; at < bytes.size(); at += 3) {
    const std::string_view group = bytes.substr(at, 3);
    uint32_t bits = 0;
    for (size_t index = 0; index < 3; ++index) {
      bits = bits << 8 | (index < group.size() ? static_cast<unsigned char>(group[index]) : 0u);
    }
    for (size_t index = 0; index < 4; ++index) {
      text += index <= group.size() ? kDigits[bits >> (18 - 6 * index) & 63] : '=';
    }
  }
  return text;
}

std::optional<size_t> base64_size(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  const size_t whole = text.size() / 4 * 3;
  size_t padding = 0;
  while (padding < 2 && text.ends_with('=')) {
    text.remove_suffix(1);
    ++padding;
  }
  if (text.find_first_not_of(kDigits) != std::string_view::npos) return std::nullopt;
  return whole - padding;
}

}  // namespace cutwater::base
