// Frames (RFC 6455 section 5.2), read strictly as a server must: masked, lengths in their shortest form, nothing
// reserved. Own code, and not a library: a head is 2 to 14 bytes, and what is needed around it (payloads in pieces,
// backpressure, limits before any allocation) is what libraries of callbacks leave to their users.
//
//   byte 0: FIN 0x80 | RSV1 0x40 | RSV2 0x20 | RSV3 0x10 | opcode
//   byte 1: MASK 0x80 | length; 126: u16 follows, 127: u64 follows, big-endian; then 4 bytes of mask
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace cutwater::codec::websocket {

enum class Opcode : uint8_t { kContinuation = 0, kText = 1, kBinary = 2, kClose = 8, kPing = 9, kPong = 10 };

// What a connection is closed with (section 7.4.1).
enum CloseCode : uint16_t {
  kNormalClosure = 1000,
  kGoingAway = 1001,
  kProtocolError = 1002,
  kNoCodeReceived = 1005,  // never sent: the close frame had none
  kConnectionLost = 1006,  // never sent: there was no close frame
  kInvalidData = 1007,
  kMessageTooBig = 1009,
  kInternalError = 1011,
  kServiceRestart = 1012,
  kTryAgainLater = 1013,
};
// May stand in a close frame.
constexpr bool may_be_sent(uint16_t code) {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

inline constexpr size_t kLongestControl = 125;
inline constexpr size_t kLongestReason = kLongestControl - 2;

struct FrameHead {
  bool final = false;
  bool compressed = false;  // RSV1 (RFC 7692)
  Opcode opcode = Opcode::kContinuation;
  uint64_t length = 0;
  std::array<char, 4> mask{};
  bool is_control() const { return (static_cast<uint8_t>(opcode) & 8) != 0; }
};

class FrameHeadReader {
 public:
  // `compression`: RSV1 has a meaning.
  explicit FrameHeadReader(bool compression) : compression_(compression) {}

  enum class Outcome { kIncomplete, kComplete, kFault };
  // Takes the head's bytes from `bytes`, none behind them. After kComplete the next one begins.
  Outcome take(std::string_view& bytes, FrameHead& head);
  const char* fault() const { return fault_; }

 private:
  const char* fault_of_start() const;   // of the first two bytes
  const char* fault_of_length() const;  // of all before the mask
  size_t size() const;

  bool compression_;
  uint8_t got_ = 0;
  std::array<uint8_t, 14> bytes_{};
  const char* fault_ = nullptr;
};

// `offset` is that of the first byte in the payload.
void unmask(const char* from, size_t count, const std::array<char, 4>& mask, uint64_t offset, char* to);

// Of a server: not masked.
void append_frame_head(std::string& to, Opcode opcode, bool final, bool compressed, uint64_t length);
void append_control(std::string& to, Opcode opcode, std::string_view payload);  // at most kLongestControl
// A code that may not be sent is left out, a reason that is no UTF-8 too, and one that is too long cut.
void append_close(std::string& to, uint16_t code, std::string_view reason);

}  // namespace cutwater::codec::websocket
