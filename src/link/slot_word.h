// The 64-bit word that owns a slot: u32 generation | u16 zero | u8 lane | u8 state, low byte last. Every
// change of owner is one atomic operation on it, so there is no moment at which a request is taken but its
// taker unknown.
//
//   FREE -> QUEUED (front) -> CLAIMED by a lane (that worker, one CAS) -> FREE (front, after kReleased or the
//   lane's end)
//                          -> CANCELLED (front, one CAS: client gone, deadline, taken to a new generation) ->
//                          QUEUED ...
#pragma once

#include <cstdint>

namespace cutwater::link {

enum class SlotWordState : uint8_t { kFree = 0, kQueued = 1, kClaimed = 2, kCancelled = 3 };

constexpr uint64_t slot_word(uint32_t generation, SlotWordState state, uint32_t lane = 0) {
  return uint64_t{generation} << 32 | uint64_t{lane & 0xff} << 8 | static_cast<uint64_t>(state);
}
constexpr uint32_t word_generation(uint64_t word) {
  return static_cast<uint32_t>(word >> 32);
}
constexpr uint32_t word_lane(uint64_t word) {
  return static_cast<uint32_t>(word >> 8 & 0xff);
}
constexpr SlotWordState word_state(uint64_t word) {
  return static_cast<SlotWordState>(word & 0xff);
}

}  // namespace cutwater::link
