// SlotStore: the front's own book of its slots and chunks. Workers cannot reach it; only what they must see
// is copied into shared memory. Slots and chunks are reused last in, first out, so that few pages are ever
// touched.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "link/request_record.h"
#include "link/segment_map.h"

namespace cutwater::link {

inline constexpr uint32_t kNoLane = 0xffffffff;

struct SlotUse {
  enum Kind : uint8_t {
    kFree,
    kInUse,
    kOrphan  // claimed from a front that is dead; nobody waits for the answer
  } kind = kFree;
  bool head_seen = false;
  bool ended = false;
  uint8_t chunk_count = 0;
  uint32_t generation = 0;
  uint32_t lane = kNoLane;  // who has claimed it, once that was seen: set by SlotStore::note_claimed
  uint32_t place = 0;       // in unclaimed(), until then
  uint64_t position = 0;    // in the index ring
  int64_t claimed_at = 0;   // once seen
  std::array<uint16_t, SlotHeader::kMaximumBodyChunks + 1> chunks;
};

class SlotStore {
 public:
  SlotStore(const SegmentMap& map, uint32_t front);

  // Takes a slot and writes request and body into it. nullopt: no slot or chunk free, or it never fits.
  std::optional<uint32_t> store(const message::Request& request, RequestExtras& extras, std::string_view body);
  void free(uint32_t slot);
  void forget_content(uint32_t slot);  // gives its pages back to the kernel
  bool has_room(size_t bytes) const;
  size_t maximum_body() const;
  size_t maximum_record() const;
  uint32_t in_use() const { return static_cast<uint32_t>(uses_.size() - free_slots_.size()); }
  // Slots that were ever used are those below.
  uint32_t known() const { return static_cast<uint32_t>(uses_.size()); }
  // In use, and nobody is known to have claimed them: what is looked at each tick, however many are claimed.
  std::span<const uint16_t> unclaimed() const { return unclaimed_; }
  void note_claimed(uint32_t slot, uint32_t lane);
  SlotUse& use(uint32_t slot) { return uses_[slot]; }
  const SlotUse& use(uint32_t slot) const { return uses_[slot]; }

 private:
  struct Plan {
    bool record_in_slot;
    uint32_t body_offset;
    bool body_inline;
    uint32_t body_chunks;
    uint32_t chunks() const { return body_chunks + (record_in_slot ? 0 : 1); }
  };
  std::optional<Plan> plan(size_t record_bytes, size_t body_bytes) const;
  bool write(uint32_t slot, const Plan& plan, const message::Request& request, const RequestExtras& extras,
             std::string_view body);
  uint16_t take_chunk(SlotUse& use);
  std::optional<uint32_t> take_slot();
  void leave_unclaimed(const SlotUse& use);
  void take_over(uint32_t slot, std::vector<bool>& chunk_taken);

  const SegmentMap& map_;
  uint32_t front_;
  std::vector<SlotUse> uses_;         // of known slots; has room for all, so that none ever moves
  std::vector<uint32_t> free_slots_;  // known ones
  std::vector<uint16_t> unclaimed_;
  std::vector<uint16_t> free_chunks_;
};

}  // namespace cutwater::link
