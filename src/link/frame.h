// Frames in the lanes. Up: worker -> front. Down: front -> worker. Each frame is a 16-byte header and a payload of
// at most 64 KiB, 64-byte aligned in its ring; kPad fills the ring's end. See docs/link_protocol.md.
//
//   u16 kind | u16 slot | u32 generation | u32 length | u32 value
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace cutwater::link {

enum class UpKind : uint16_t {
  kPad = 0,
  kHead = 1,        // payload: response head (response_record.h); value: ResponseFlags
  kBody = 2,        // payload: body bytes; value bit 0: last
  kEnd = 3,         // the response is complete; value 0
  kTrailers = 4,    // payload: fields as in a head
  kEarlyHints = 5,  // payload: fields; becomes 103
  kWebSocketMessage = 6,  // value: 1 text, 2 binary
  kWebSocketClose = 7,    // value: close code; payload: reason
  kCredit = 8,      // value: bytes of request body the worker has taken
  kAbort = 9,       // the response cannot be completed; value 1: app raised before the head (500), 0: after
  kFile = 10,       // value: id of the descriptor just sent on the lane socket; payload: u64 offset, u64 length
  kBodyWanted = 11,  // the app wants the body that is held by descriptor, or the 100 Continue
  kReleased = 12,   // the worker holds nothing of the slot any more (after kEnd or kAbort, or a cancel)
};

enum class DownKind : uint16_t {
  kPad = 0,
  kBodyPiece = 1,
  kBodyEnd = 2,
  kDisconnect = 3,  // the client is gone; ASGI's http.disconnect
  kCancel = 4,      // stop this request: timeout or shutdown
  kCredit = 5,      // value: bytes of response body the front can take more
  kWebSocketMessage = 6,
  kWebSocketClose = 7,
  kRetire = 8,      // slot unused: finish what was claimed, claim no more, exit
  kTrailers = 9,
};

struct FrameHeader {
  uint16_t kind = 0;
  uint16_t slot = 0;
  uint32_t generation = 0;  // of the slot: frames of an older use are dropped
  uint32_t length = 0;
  uint32_t value = 0;
};
static_assert(sizeof(FrameHeader) == 16);

inline constexpr uint32_t kFrameAlignment = 64;
inline constexpr uint32_t kMaximumPayload = 64 * 1024;
inline constexpr uint32_t kInitialCredit = 128 * 1024;  // response bytes a request may send before a kCredit

}  // namespace cutwater::link
