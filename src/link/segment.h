// Segment: the sealed shared memory of one app generation. The master creates it, fronts and workers map it
// (after fork, MADV_DONTFORK). Layout, versions and memory ordering: docs/link_protocol.md.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/file_descriptor.h"
#include "base/result.h"
#include "link/frame.h"

namespace cutwater::link {

struct Layout {
  uint32_t fronts = 1;                   // 1..64
  uint32_t lanes = 4;                    // workers that can be attached at once, replacements included; 1..64
  uint32_t slots = 256;                  // per front; 1..32768. Each request has one to its end, an open WebSocket too
  uint32_t slot_bytes = 16 * 1024;       // multiple of 4096
  uint32_t chunks = 64;                  // per front, for heads that do not fit the slot and bodies likewise; 1..4096
  uint32_t chunk_bytes = 64 * 1024;      // multiple of 4096, at least 32 KiB
  uint32_t up_ring_bytes = 256 * 1024;   // power of two, at least 4096
  uint32_t down_ring_bytes = 64 * 1024;  // power of two, at least 4096
  friend bool operator==(const Layout&, const Layout&) = default;
};

// The longest payload a ring carries in one frame.
constexpr uint32_t maximum_payload(uint32_t ring_bytes) {
  return std::min(kMaximumPayload, ring_bytes / 2 - static_cast<uint32_t>(sizeof(FrameHeader)));
}

// For the master: a memfd of the layout's size, initialised, sealed against shrinking and growing.
base::Result<base::FileDescriptor> create_segment(const Layout& layout);
// Likewise: whether it still says what it is. A worker that writes where it must not may have spoiled that, and no
// other can be attached then.
base::Result<void> check_segment(int descriptor);

class Segment {
 public:
  // Checks magic, version, layout against the descriptor's size and seals before anything is believed. The
  // descriptor may be closed afterwards.
  static base::Result<Segment> map(int descriptor);
  Segment(Segment&&) noexcept;
  Segment& operator=(Segment&&) noexcept;
  ~Segment();

  // The same mapping once more, for both ends in one process (tests: thread checkers know memory by its
  // address).
  Segment alias() const;

  const Layout& layout() const;
  char* base() const;  // nullptr once this process is a forked child of the one that mapped it
  size_t size() const;
  // False in a forked child (os.fork() in an app): the memory is not there, nothing may be claimed or
  // answered.
  bool attached() const;

 private:
  struct Mapping;
  explicit Segment(std::shared_ptr<Mapping> mapping);
  std::shared_ptr<Mapping> mapping_;
};

}  // namespace cutwater::link
