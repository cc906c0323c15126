// The index ring of one front, as both sides walk it. The slot words decide who has a request; ring and head
// only say where to look. Entries may be stale (taken back, claimed out of order) or repeat a slot.
#pragma once

#include <cstdint>

#include "link/segment_map.h"
#include "link/slot_word.h"

namespace cutwater::link {

struct QueuedEntry {
  uint64_t position = 0;
  uint32_t slot = 0;
  uint64_t word = 0;  // as it was: QUEUED
};

// The first entry below `tail` whose slot is queued; moves the head hint past those that are not. Wrong
// positions (written by a broken worker) cost at most one walk of the ring.
bool find_queued(const SegmentMap& map, uint32_t front, uint64_t tail, QueuedEntry& found);

// Moves the head from `position` to the next entry, unless somebody did.
void pass_entry(const SegmentMap& map, uint32_t front, uint64_t position);

}  // namespace cutwater::link
