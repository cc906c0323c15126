#include "codec/websocket/utf8_validator.h"

#include <cstring>

namespace cutwater::codec::websocket {

namespace {

// How many bytes at the beginning are ASCII, looked at by eights.
size_t ascii_length(std::string_view bytes) {
  size_t length = 0;
  for (; length + 8 <= bytes.size(); length += 8) {
    uint64_t word;
    std::memcpy(&word, bytes.data() + length, sizeof word);
    if ((word & 0x8080808080808080U) != 0) break;
  }
  while (length < bytes.size() && static_cast<uint8_t>(bytes[length]) < 0x80) ++length;
  return length;
}

}  // namespace

bool Utf8Validator::take(std::string_view bytes) {
  while (!broken_ && !bytes.empty()) {
    if (missing_ == 0) bytes.remove_prefix(ascii_length(bytes));
    if (bytes.empty()) break;
    const auto byte = static_cast<uint8_t>(bytes.front());
    bytes.remove_prefix(1);
    if (missing_ == 0) {
      broken_ = !begin(byte);
    } else {
      broken_ = byte < lowest_ || byte > highest_;
      lowest_ = 0x80;
      highest_ = 0xbf;
      --missing_;
    }
  }
  return !broken_;
}

bool Utf8Validator::begin(uint8_t byte) {
  if (byte < 0xc2 || byte > 0xf4) return false;
  missing_ = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
  if (byte == 0xe0) lowest_ = 0xa0;   // else overlong
  if (byte == 0xed) highest_ = 0x9f;  // else a surrogate
  if (byte == 0xf0) lowest_ = 0x90;
  if (byte == 0xf4) highest_ = 0x8f;
  return true;
}

bool is_utf8(std::string_view text) {
  Utf8Validator validator;
  return validator.take(text) && validator.complete();
}

}  // namespace cutwater::codec::websocket
