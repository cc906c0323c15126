#include "codec/websocket/frame.h"

#include <algorithm>
#include <cstring>

#include "codec/websocket/utf8_validator.h"

namespace cutwater::codec::websocket {

namespace {

constexpr uint8_t kFinal = 0x80;
constexpr uint8_t kCompressed = 0x40;
constexpr uint8_t kReserved = 0x30;
constexpr uint8_t kMasked = 0x80;
constexpr uint8_t kLength16 = 126;
constexpr uint8_t kLength64 = 127;
constexpr size_t kMaskBytes = 4;

uint64_t big_endian(const uint8_t* bytes, size_t count) {
  uint64_t value = 0;
  for (size_t i = 0; i < count; ++i) value = value << 8 | bytes[i];
  return value;
}

bool is_known(uint8_t opcode) {
  return opcode <= 2 || (opcode >= 8 && opcode <= 10);
}

}  // namespace

size_t FrameHeadReader::size() const {
  if (got_ < 2) return 2;
  const uint8_t length = bytes_[1] & 0x7f;
  return 2 + kMaskBytes + (length == kLength16 ? 2 : length == kLength64 ? 8 : 0);
}

const char* FrameHeadReader::fault_of_start() const {
  const uint8_t first = bytes_[0];
  const bool control = (first & 8) != 0;
  if ((first & kReserved) != 0) return "a reserved bit is set";
  if (!is_known(first & 15)) return "unknown opcode";
  const bool begins_message = (first & 15) == 1 || (first & 15) == 2;
  if ((first & kCompressed) != 0 && !(compression_ && begins_message)) return "a reserved bit is set";
  if (control && (first & kFinal) == 0) return "a control frame in fragments";
  if (got_ < 2) return nullptr;
  if ((bytes_[1] & kMasked) == 0) return "a frame without a mask";
  if (control && (bytes_[1] & 0x7f) > kLongestControl) return "a control frame over 125 bytes";
  return nullptr;
}

const char* FrameHeadReader::fault_of_length() const {
  const uint8_t length = bytes_[1] & 0x7f;
  if (length == kLength16) return big_endian(&bytes_[2], 2) < kLength16 ? "a length not in its shortest form" : nullptr;
  if (length != kLength64) return nullptr;
  if ((bytes_[2] & 0x80) != 0) return "a length over 2^63";
  return big_endian(&bytes_[2], 8) <= 0xffff ? "a length not in its shortest form" : nullptr;
}

FrameHeadReader::Outcome FrameHeadReader::take(std::string_view& bytes, FrameHead& head) {
  while (got_ < size() && !bytes.empty()) {
    bytes_[got_++] = static_cast<uint8_t>(bytes.front());
    bytes.remove_prefix(1);
    if (got_ <= 2) fault_ = fault_of_start();
    if (got_ > 2 && got_ + kMaskBytes == size()) fault_ = fault_of_length();
    if (fault_ != nullptr) return Outcome::kFault;
  }
  if (got_ < size()) return Outcome::kIncomplete;
  const uint8_t length = bytes_[1] & 0x7f;
  head.final = (bytes_[0] & kFinal) != 0;
  head.compressed = (bytes_[0] & kCompressed) != 0;
  head.opcode = static_cast<Opcode>(bytes_[0] & 15);
  head.length = length;
  if (length == kLength16) head.length = big_endian(&bytes_[2], 2);
  if (length == kLength64) head.length = big_endian(&bytes_[2], 8);
  std::memcpy(head.mask.data(), &bytes_[got_ - kMaskBytes], kMaskBytes);
  got_ = 0;
  return Outcome::kComplete;
}

void unmask(const char* from, size_t count, const std::array<char, 4>& mask, uint64_t offset, char* to) {
  // The mask from `offset` on, twice: by eights.
  std::array<char, 8> turned;
  for (size_t i = 0; i < turned.size(); ++i) turned[i] = mask[(offset + i) & 3];
  uint64_t pattern;
  std::memcpy(&pattern, turned.data(), sizeof pattern);
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    uint64_t word;
    std::memcpy(&word, from + i, sizeof word);
    word ^= pattern;
    std::memcpy(to + i, &word, sizeof word);
  }
  for (; i < count; ++i) to[i] = static_cast<char>(from[i] ^ turned[i & 7]);
}

void append_frame_head(std::string& to, Opcode opcode, bool final, bool compressed, uint64_t length) {
  to += static_cast<char>((final ? kFinal : 0) | (compressed ? kCompressed : 0) | static_cast<uint8_t>(opcode));
  unsigned more = 0;
  if (length < kLength16) {
    to += static_cast<char>(length);
  } else {
    more = length <= 0xffff ? 2 : 8;
    to += static_cast<char>(more == 2 ? kLength16 : kLength64);
  }
  while (more-- > 0) to += static_cast<char>(length >> (8 * more));
}

void append_control(std::string& to, Opcode opcode, std::string_view payload) {
  append_frame_head(to, opcode, true, false, payload.size());
  to += payload;
}

void append_close(std::string& to, uint16_t code, std::string_view reason) {
  std::string payload;
  if (may_be_sent(code)) {
    payload += static_cast<char>(code >> 8);
    payload += static_cast<char>(code);
    std::string_view fitting = reason.substr(0, kLongestReason);
    // Not in the middle of a character.
    while (fitting.size() < reason.size() && !fitting.empty() &&
           (static_cast<uint8_t>(reason[fitting.size()]) & 0xc0) == 0x80)
      fitting.remove_suffix(1);
    if (is_utf8(fitting)) payload += fitting;
  }
  append_control(to, Opcode::kClose, payload);
}

}  // namespace cutwater::codec::websocket
