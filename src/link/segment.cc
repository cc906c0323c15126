#include "link/segment.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <mutex>
#include <new>
#include <vector>

#include "link/segment_map.h"

namespace cutwater::link {
namespace {

constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

size_t round_up(size_t value, size_t unit) {
  return (value + unit - 1) / unit * unit;
}

bool page_multiple(uint32_t bytes, uint32_t at_least, uint32_t at_most) {
  return bytes >= at_least && bytes <= at_most && bytes % kPage == 0;
}

bool ring_size(uint32_t bytes) {
  return std::has_single_bit(bytes) && bytes >= kPage && bytes <= (64u << 20);
}

// Bounds that keep every product below far from 2^64 and every index inside its type.
bool sensible(const Layout& layout) {
  constexpr uint32_t kMostBytes = 64u << 20;
  constexpr uint32_t kMaximumSlots = 32768;  // u16 in a frame, without kNoSlot
  return layout.fronts >= 1 && layout.fronts <= 64 && layout.lanes >= 1 && layout.lanes <= kMaximumLanes &&
         layout.slots >= 1 && layout.slots <= kMaximumSlots && layout.chunks >= 1 && layout.chunks <= 4096 &&
         page_multiple(layout.slot_bytes, kPage, kMostBytes) &&
         page_multiple(layout.chunk_bytes, 32 * 1024, kMostBytes) && ring_size(layout.up_ring_bytes) &&
         ring_size(layout.down_ring_bytes);
}

base::Error bad_segment(std::string_view why) {
  return {"shared memory of the app: " + std::string(why)};
}

}  // namespace

SegmentOffsets::SegmentOffsets(const Layout& layout) {
  index_entries = std::bit_ceil(4 * layout.slots);
  sleep_board = kPage;
  fronts = round_up(sleep_board + sizeof(SleepBoard), kPage);
  // The hot small things of a front first, so that they share few pages.
  index_ring = sizeof(QueueControl);
  slot_controls = round_up(index_ring + index_entries * sizeof(uint32_t), kCacheLine);
  lane_controls = round_up(slot_controls + layout.slots * sizeof(SlotControl), sizeof(LaneControl));
  slots = round_up(lane_controls + layout.lanes * sizeof(LaneControl), kPage);
  chunks = slots + size_t{layout.slots} * layout.slot_bytes;
  up_rings = chunks + size_t{layout.chunks} * layout.chunk_bytes;
  down_rings = up_rings + size_t{layout.lanes} * layout.up_ring_bytes;
  front_stride = down_rings + size_t{layout.lanes} * layout.down_ring_bytes;
  total = fronts + layout.fronts * front_stride;
}

base::Result<base::FileDescriptor> create_segment(const Layout& layout) {
  if (!sensible(layout)) return bad_segment("the layout is out of bounds");
  base::FileDescriptor memory(memfd_create("cutwater-link", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!memory.valid()) return base::system_error("memfd_create");
  SegmentOffsets offsets(layout);
  if (ftruncate(memory.get(), static_cast<off_t>(offsets.total)) < 0) return base::system_error("ftruncate of a memfd");
  // Zero bytes are the right start for everything else: slots free, rings empty, nobody asleep.
  SegmentHeader header{kSegmentMagic, kLayoutVersion, sizeof(SegmentHeader), offsets.total, layout};
  if (pwrite(memory.get(), &header, sizeof header, 0) != static_cast<ssize_t>(sizeof header))
    return base::system_error("write to a memfd");
  // A worker must not be able to shrink it: the front would die of SIGBUS.
  if (fcntl(memory.get(), F_ADD_SEALS, kSeals) < 0) return base::system_error("sealing a memfd");
  return memory;
}

// Known to the fork handler below: after a fork the child has a hole where the segment was.
struct Segment::Mapping {
  Layout layout;
  char* base = nullptr;
  size_t size = 0;

  Mapping(const Layout& from, char* where, size_t bytes) : layout(from), base(where), size(bytes) {
    registry().add(this);
  }
  ~Mapping() {
    registry().remove(this);
    if (base != nullptr) munmap(base, size);
  }
  Mapping(const Mapping&) = delete;

  struct Registry {
    std::mutex mutex;
    std::vector<Mapping*> mappings;
    Registry() {
      pthread_atfork([] { registry().mutex.lock(); }, [] { registry().mutex.unlock(); }, detach_child);
    }
    void add(Mapping* mapping) {
      std::lock_guard lock(mutex);
      mappings.push_back(mapping);
    }
    void remove(Mapping* mapping) {
      std::lock_guard lock(mutex);
      std::erase(mappings, mapping);
    }
  };
  // Never destroyed: forks happen until the very end.
  static Registry& registry() {
    static Registry* instance = new Registry;
    return *instance;
  }
  static void detach_child() {
    for (Mapping* mapping : registry().mappings) mapping->base = nullptr;
    registry().mutex.unlock();
  }
};

namespace {

base::Result<SegmentHeader> read_header(int descriptor) {
  struct stat status;
  if (fstat(descriptor, &status) < 0) return base::system_error("fstat of shared memory");
  int seals = fcntl(descriptor, F_GET_SEALS);
  if (seals < 0 || (seals & kSeals) != kSeals) return bad_segment("it is not a sealed memfd");
  SegmentHeader header{};
  if (pread(descriptor, &header, sizeof header, 0) != static_cast<ssize_t>(sizeof header))
    return bad_segment("it is too short");
  if (header.magic != kSegmentMagic) return bad_segment("it is not Cutwater's");
  if (header.layout_version != kLayoutVersion || header.header_bytes != sizeof header)
    return bad_segment("it has layout version " + std::to_string(header.layout_version) + ", this program knows " +
                       std::to_string(kLayoutVersion));
  if (!sensible(header.layout)) return bad_segment("its layout is out of bounds");
  size_t size = SegmentOffsets(header.layout).total;
  if (header.segment_bytes != size || status.st_size < 0 || static_cast<size_t>(status.st_size) != size)
    return bad_segment("its size does not fit its layout");
  return header;
}

}  // namespace

base::Result<void> check_segment(int descriptor) {
  auto header = read_header(descriptor);
  if (!header) return header.error();
  return {};
}

base::Result<Segment> Segment::map(int descriptor) {
  auto read = read_header(descriptor);
  if (!read) return read.error();
  const SegmentHeader& header = *read;
  const size_t size = header.segment_bytes;
  void* where = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  if (where == MAP_FAILED) return base::system_error("mmap of shared memory");
  auto mapping = std::make_shared<Mapping>(header.layout, static_cast<char*>(where), size);
  // Children of a worker (subprocess, multiprocessing) must not be able to answer in its name.
  if (madvise(where, size, MADV_DONTFORK) < 0) return base::system_error("madvise of shared memory");
  madvise(where, size, MADV_DONTDUMP);  // other people's requests do not belong into core files
  return Segment(std::move(mapping));
}

Segment::Segment(std::shared_ptr<Mapping> mapping) : mapping_(std::move(mapping)) {}
Segment::Segment(Segment&&) noexcept = default;
Segment& Segment::operator=(Segment&&) noexcept = default;
Segment::~Segment() = default;
Segment Segment::alias() const {
  return Segment(mapping_);
}
const Layout& Segment::layout() const {
  return mapping_->layout;
}
char* Segment::base() const {
  return mapping_->base;
}
size_t Segment::size() const {
  return mapping_->size;
}
bool Segment::attached() const {
  return mapping_->base != nullptr;
}

}  // namespace cutwater::link
