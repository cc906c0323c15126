// For the fuzzers of the link: a segment so small that the ends of everything in it are soon reached.
#pragma once

#include <utility>

#include "link/segment.h"

namespace cutwater::link {

inline constexpr uint32_t kFuzzLanes = 2;
inline constexpr uint32_t kFuzzSlots = 4;

inline Segment make_fuzz_segment() {
  Layout layout;
  layout.lanes = kFuzzLanes;
  layout.slots = kFuzzSlots;
  layout.chunks = 4;
  layout.up_ring_bytes = 16 * 1024;
  layout.down_ring_bytes = 8 * 1024;
  auto memory = create_segment(layout);
  auto segment = Segment::map(memory->get());
  return std::move(*segment);
}

}  // namespace cutwater::link
