#include "control/script_messages.h"

namespace cutwater::control {

namespace {

// U+0080 to U+00FF in UTF-8: 110000xx 10xxxxxx.
constexpr unsigned kLead = 0xc0;
constexpr unsigned kFollow = 0x80;
constexpr unsigned kLowBits = 0x3f;

}  // namespace

std::string bytes_to_text(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  for (char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      text += c;
      continue;
    }
    text += static_cast<char>(kLead | (byte >> 6));
    text += static_cast<char>(kFollow | (byte & kLowBits));
  }
  return text;
}

std::optional<std::string> text_to_bytes(std::string_view text) {
  std::string bytes;
  bytes.reserve(text.size());
  for (size_t at = 0; at < text.size(); ++at) {
    const auto byte = static_cast<unsigned char>(text[at]);
    if (byte == 0) return std::nullopt;
    if (byte < 0x80) {
      bytes += text[at];
      continue;
    }
    const bool is_pair = (byte == (kLead | 2) || byte == (kLead | 3)) && at + 1 < text.size();
    const unsigned follow = is_pair ? static_cast<unsigned char>(text[at + 1]) : 0;
    if ((follow & ~kLowBits) != kFollow) return std::nullopt;
    bytes += static_cast<char>((unsigned{byte} << 6) | (follow & kLowBits));
    ++at;
  }
  return bytes;
}

}  // namespace cutwater::control
