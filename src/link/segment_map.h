// Where everything lies in a Segment, as typed pointers. Private to link/. All words that both sides touch
// are lock-free atomics on cache lines of their own; docs/link_protocol.md has the offsets and who may write
// what.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "link/segment.h"

namespace cutwater::link {

inline constexpr size_t kCacheLine = 64;
inline constexpr size_t kPage = 4096;
inline constexpr uint32_t kMaximumLanes = 64;                  // bits of the idle mask
inline constexpr uint64_t kSegmentMagic = 0x4b4e494c52575443;  // "CTWRLINK"
inline constexpr uint32_t kLayoutVersion = 6;

static_assert(std::atomic<uint64_t>::is_always_lock_free && std::atomic<uint32_t>::is_always_lock_free);

template <class Integer>
struct alignas(kCacheLine) SharedWord {
  std::atomic<Integer> value;
};
static_assert(sizeof(SharedWord<uint64_t>) == kCacheLine);

// Page 0. Written by the master before sealing, never again.
struct SegmentHeader {
  uint64_t magic;
  uint32_t layout_version;
  uint32_t header_bytes;
  uint64_t segment_bytes;
  Layout layout;
};

inline constexpr uint32_t kWantsFrames = 1;
inline constexpr uint32_t kWantsRoom = 2;  // or frames: a send was refused

// One per segment: who sleeps. A worker has ONE eventfd for all fronts, so its announcement is one for all.
struct SleepBoard {
  SharedWord<uint64_t> idle;                  // bit per lane: sleeps and would claim
  SharedWord<uint32_t> waits[kMaximumLanes];  // kWantsFrames or kWantsRoom: sleeps; 0: does not
};

// One per front.
struct QueueControl {
  SharedWord<uint64_t> tail;          // front: entries published in the index ring
  SharedWord<uint64_t> head;          // hint: anyone may move it forward past entries that are not claimable
  SharedWord<uint32_t> front_sleeps;  // 1: the front wants a write to its eventfd when frames come
  SharedWord<int64_t> alarm_due;      // worker, after it set the alarm: when it rings, CLOCK_MONOTONIC ns
  SharedWord<uint32_t> load;          // front: requests it has for the app, for the other fronts
};

struct SlotControl {
  std::atomic<uint64_t> word;       // slot_word.h
  std::atomic<int64_t> claimed_at;  // worker, after its claim: CLOCK_MONOTONIC, 0 before
};

// One per front and lane. Positions count bytes for ever; the offset in a ring is position % ring size.
struct LaneControl {
  SharedWord<uint64_t> up_write;     // worker
  SharedWord<uint64_t> up_read;      // front
  SharedWord<uint64_t> down_write;   // front
  SharedWord<uint64_t> down_read;    // worker
  SharedWord<uint32_t> front_waits;  // 1: the front was refused room in the down ring
  char reserved[3 * kCacheLine];
};
static_assert(sizeof(LaneControl) == 512);

// First bytes of a slot; record and inline body follow, each 8-byte aligned.
struct SlotHeader {
  static constexpr uint32_t kMaximumBodyChunks = 24;
  static constexpr uint16_t kNoChunk = 0xffff;
  uint32_t record_bytes;
  uint32_t body_bytes;        // inline, or in the chunks
  uint16_t record_chunk;      // kNoChunk: in the slot
  uint16_t body_chunk_count;  // 0: inline
  uint16_t body_chunks[kMaximumBodyChunks];
  uint32_t reserved;
};
static_assert(sizeof(SlotHeader) == 64);

// Offsets for one layout; all zero-based from the segment's base.
struct SegmentOffsets {
  explicit SegmentOffsets(const Layout& layout);
  size_t sleep_board, fronts, front_stride, total;
  // Within a front's region.
  size_t index_ring, slot_controls, lane_controls, slots, chunks, up_rings, down_rings;
  uint32_t index_entries;
};

// Nothing but address arithmetic; `base` and `layout` were checked by Segment::map.
class SegmentMap {
 public:
  explicit SegmentMap(const Segment& segment) : layout_(segment.layout()), offsets_(layout_), base_(segment.base()) {}

  const Layout& layout() const { return layout_; }
  SleepBoard& sleep_board() const { return at<SleepBoard>(offsets_.sleep_board); }
  QueueControl& queue(uint32_t front) const { return at<QueueControl>(region(front)); }
  uint32_t index_entries() const { return offsets_.index_entries; }
  std::atomic<uint32_t>& index_entry(uint32_t front, uint64_t position) const {
    return (&at<std::atomic<uint32_t>>(region(front) + offsets_.index_ring))[position & (offsets_.index_entries - 1)];
  }
  SlotControl& slot_control(uint32_t front, uint32_t slot) const {
    return (&at<SlotControl>(region(front) + offsets_.slot_controls))[slot];
  }
  LaneControl& lane(uint32_t front, uint32_t lane) const {
    return (&at<LaneControl>(region(front) + offsets_.lane_controls))[lane];
  }
  char* slot(uint32_t front, uint32_t slot) const {
    return base_ + region(front) + offsets_.slots + size_t{slot} * layout_.slot_bytes;
  }
  char* chunk(uint32_t front, uint32_t chunk) const {
    return base_ + region(front) + offsets_.chunks + size_t{chunk} * layout_.chunk_bytes;
  }
  char* up_ring(uint32_t front, uint32_t lane) const {
    return base_ + region(front) + offsets_.up_rings + size_t{lane} * layout_.up_ring_bytes;
  }
  char* down_ring(uint32_t front, uint32_t lane) const {
    return base_ + region(front) + offsets_.down_rings + size_t{lane} * layout_.down_ring_bytes;
  }

 private:
  size_t region(uint32_t front) const { return offsets_.fronts + front * offsets_.front_stride; }
  template <class Type>
  Type& at(size_t offset) const {
    return *reinterpret_cast<Type*>(base_ + offset);
  }
  Layout layout_;
  SegmentOffsets offsets_;
  char* base_;
};

}  // namespace cutwater::link
