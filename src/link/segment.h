// Segment: the sealed shared memory of one app generation. The master creates it, fronts and workers map it (after
// fork, MADV_DONTFORK). Layout, versions and memory ordering: docs/link_protocol.md.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/file_descriptor.h"
#include "base/result.h"

namespace cutwater::link {

struct Layout {
  uint32_t fronts = 1;
  uint32_t lanes = 4;          // workers that can be attached at once, replacements included; at most 64
  uint32_t slots = 256;        // per front
  uint32_t slot_bytes = 16 * 1024;
  uint32_t chunks = 64;        // per front, for heads over 12 KiB and bodies over what fits the slot
  uint32_t chunk_bytes = 64 * 1024;
  uint32_t up_ring_bytes = 256 * 1024;
  uint32_t down_ring_bytes = 64 * 1024;
};

// For the master: a memfd of the layout's size, initialised, sealed against shrinking and growing.
base::Result<base::FileDescriptor> create_segment(const Layout& layout);

class Segment {
 public:
  // Checks magic, version, layout against the descriptor's size and seals before anything is believed.
  static base::Result<Segment> map(int descriptor);
  Segment(Segment&&) noexcept;
  Segment& operator=(Segment&&) noexcept;
  ~Segment();

  const Layout& layout() const { return layout_; }
  char* base() const { return base_; }
  size_t size() const { return size_; }

 private:
  Segment() = default;
  Layout layout_;
  char* base_ = nullptr;
  size_t size_ = 0;
};

}  // namespace cutwater::link
