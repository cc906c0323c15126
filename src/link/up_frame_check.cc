#include "link/up_frame_check.h"

namespace cutwater::link {
namespace {

UpVerdict check_response_part(const FrameHeader& frame, SlotUse& use, bool may_complete) {
  bool is_head = frame.kind == static_cast<uint16_t>(UpKind::kHead);
  if (is_head && use.head_seen) return {.broken = "it sent a second response head"};
  if (!is_head && !use.head_seen) return {.broken = "it sent a part of a response before the head"};
  use.head_seen = true;
  UpVerdict verdict{.deliver = true};
  if (!may_complete) return verdict;
  if ((frame.value & ~uint32_t{kComplete | kReleases}) != 0) return {.broken = "it sent unknown flags"};
  if ((frame.value & kComplete) != 0) use.ended = true;
  verdict.frees = (frame.value & kReleases) != 0;
  if (verdict.frees && !use.ended) return {.broken = "it released a request in the middle of its response"};
  return verdict;
}

UpVerdict check_abort(FrameHeader& frame, SlotUse& use) {
  use.ended = true;
  if (use.head_seen) frame.value &= ~uint32_t{kBeforeHead};
  return {.deliver = true, .frees = (frame.value & kReleases) != 0};
}

// Without an end before it: a cancelled request, or a worker that gave up.
UpVerdict check_released(FrameHeader& frame, SlotUse& use) {
  bool was_ended = use.ended;
  use.ended = true;
  frame.kind = static_cast<uint16_t>(UpKind::kAbort);
  // The receiver too must know that the slot is free: the next request may take it at once.
  frame.value = uint32_t{kReleases} | (use.head_seen ? 0U : uint32_t{kBeforeHead});
  return {.deliver = !was_ended, .frees = true};
}

}  // namespace

UpVerdict check_up_frame(FrameHeader& frame, SlotUse& use) {
  auto kind = static_cast<UpKind>(frame.kind);
  if (kind == UpKind::kPad || kind > UpKind::kReleased) return {.broken = "it sent a frame of an unknown kind"};
  if (kind == UpKind::kReleased) return check_released(frame, use);
  // After the end only the release matters. So with an orphan: a predecessor saw the start of its response.
  if (use.kind == SlotUse::kOrphan || use.ended) {
    bool has_flags = kind == UpKind::kHead || kind == UpKind::kBody || kind == UpKind::kEnd || kind == UpKind::kAbort;
    return {.frees = has_flags && (frame.value & kReleases) != 0};
  }
  switch (kind) {
    case UpKind::kHead:
    case UpKind::kBody:
      return check_response_part(frame, use, true);
    case UpKind::kTrailers:
    case UpKind::kFile:
      return check_response_part(frame, use, false);
    case UpKind::kEnd: {
      UpVerdict verdict = check_response_part(frame, use, false);
      use.ended = true;
      verdict.frees = (frame.value & kReleases) != 0;
      return verdict;
    }
    case UpKind::kAbort:
      return check_abort(frame, use);
    case UpKind::kEarlyHints:
      if (use.head_seen) return {.broken = "it sent early hints after the response head"};
      return {.deliver = true};
    case UpKind::kWebSocketMessage:
    case UpKind::kWebSocketClose:
      if (!use.head_seen) return {.broken = "it sent a part of a WebSocket before it accepted that"};
      return {.deliver = true};
    default:  // credit, body wanted
      return {.deliver = true};
  }
}

}  // namespace cutwater::link
