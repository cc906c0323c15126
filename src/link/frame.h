// Frames in the lanes. Up: worker -> front. Down: front -> worker. Each frame is a 16-byte header and a
// payload, 64-byte aligned in its ring; kPad fills the ring's end. See docs/link_protocol.md.
//
//   u16 kind | u16 slot | u32 generation | u32 length | u32 value
//
// A small response is ONE frame: kHead carries the head record, the first (or only) body bytes, and flags
// that say "complete" and "slot released". Written by WorkerLink::send_response, taken apart by
// read_head_payload().
//
//   kHead payload:  u32 record length | record (response_record.h) | body bytes, may be none
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace cutwater::link {

// The `value` of kHead, kBody, kEnd and kAbort.
enum ResponseFlags : uint32_t {
  // kHead, kBody: the response is complete with this frame; no kEnd follows.
  kComplete = 1,
  // kHead, kBody (only with kComplete), kEnd, kAbort: the worker holds nothing of the slot any more; no
  // kReleased
  // follows. The front reuses the slot at once: the worker must not read record, inline body or chunks after
  // it.
  kReleases = 2,
  // kAbort: the app failed before it gave a head, so the client can still be told (500).
  kBeforeHead = 4,
};

enum class UpKind : uint16_t {
  kPad = 0,
  kHead = 1,              // payload: see above; value: ResponseFlags. Once per request, before kBody
  kBody = 2,              // payload: body bytes; value: ResponseFlags
  kEnd = 3,               // the response is complete; value: kReleases or 0
  kTrailers = 4,          // payload: fields as in a head (encode_fields); before kEnd
  kEarlyHints = 5,        // payload: fields; becomes 103; before kHead
  kWebSocketMessage = 6,  // value: 1 text, 2 binary, | kMoreFollows
  kWebSocketClose = 7,    // value: close code; payload: reason
  kCredit = 8,            // value: bytes of request body the worker has taken
  kAbort = 9,             // the response cannot be completed; value: kBeforeHead, kReleases
  kFile = 10,             // value: id of the descriptor just sent on the lane socket; payload: u64 offset, u64 length
  kBodyWanted = 11,       // the app wants the body that is held by descriptor, or the 100 Continue
  kReleased = 12,         // the worker holds nothing of the slot any more (after the end, kAbort, or a cancel)
};

enum class DownKind : uint16_t {
  kPad = 0,
  kBodyPiece = 1,
  kBodyEnd = 2,
  kDisconnect = 3,        // the client is gone; ASGI's http.disconnect
  kCancel = 4,            // stop this request: timeout or shutdown
  kCredit = 5,            // value: bytes of response body the front can take more
  kWebSocketMessage = 6,  // value: 1 text, 2 binary, | kMoreFollows
  kWebSocketClose = 7,    // value: close code; payload: reason
  kRetire = 8,            // slot is kNoSlot: finish what was claimed, claim no more, exit
  kTrailers = 9,
  kProbe = 10,  // slot is kNoSlot: nothing but to be taken; a worker that leaves it there hangs
};

struct FrameHeader {
  uint16_t kind = 0;
  uint16_t slot = 0;
  uint32_t generation = 0;  // of the slot: frames of an older use are dropped
  uint32_t length = 0;
  uint32_t value = 0;
};
static_assert(sizeof(FrameHeader) == 16);

inline constexpr uint16_t kNoSlot = 0xffff;
inline constexpr uint32_t kMoreFollows = 0x100;  // a WebSocket message continues in the next frame
inline constexpr uint32_t kFrameAlignment = 64;
// No frame is longer than half its ring either (maximum_payload in segment.h): so it always fits an empty
// ring.
inline constexpr uint32_t kMaximumPayload = 64 * 1024;
// Response body bytes (in kHead, kBody, kWebSocketMessage, and not kFile) a request may send before a
// kCredit.
inline constexpr uint32_t kInitialCredit = 128 * 1024;
// Request body bytes (kBodyPiece) the front may send a kStreamed request before the worker's first kCredit.
inline constexpr uint32_t kInitialBodyCredit = 32 * 1024;

constexpr uint32_t frame_bytes(uint32_t payload) {
  return (static_cast<uint32_t>(sizeof(FrameHeader)) + payload + kFrameAlignment - 1) & ~(kFrameAlignment - 1);
}

}  // namespace cutwater::link
