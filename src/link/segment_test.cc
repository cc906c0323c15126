#include "link/segment.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "link/segment_map.h"

namespace cutwater::link {
namespace {

// A memfd with any header, sealed or not.
base::FileDescriptor made_by_hand(const SegmentHeader& header, size_t bytes, bool sealed) {
  base::FileDescriptor memory(memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  EXPECT_EQ(ftruncate(memory.get(), static_cast<off_t>(bytes)), 0);
  EXPECT_EQ(pwrite(memory.get(), &header, sizeof header, 0), static_cast<ssize_t>(sizeof header));
  if (sealed) {
    EXPECT_EQ(fcntl(memory.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL), 0);
  }
  return memory;
}

SegmentHeader good_header() {
  Layout layout;
  return {kSegmentMagic, kLayoutVersion, sizeof(SegmentHeader), SegmentOffsets(layout).total, layout};
}

TEST(SegmentTest, MapsWhatWasCreated) {
  Layout layout;
  layout.fronts = 2;
  layout.lanes = 64;
  layout.slots = 100;
  auto memory = create_segment(layout);
  ASSERT_TRUE(memory.ok()) << memory.error().message;
  auto segment = Segment::map(memory->get());
  ASSERT_TRUE(segment.ok()) << segment.error().message;
  EXPECT_EQ(segment->layout(), layout);
  EXPECT_TRUE(segment->attached());
}

// docs/link_protocol.md, section 1: whoever writes the other side has these numbers from there.
TEST(SegmentTest, OffsetsAreThoseOfTheDocument) {
  EXPECT_EQ(sizeof(SegmentHeader), 56u);
  EXPECT_EQ(offsetof(SegmentHeader, layout), 24u);
  EXPECT_EQ(offsetof(SleepBoard, waits), 64u);
  EXPECT_EQ(offsetof(QueueControl, head), 64u);
  EXPECT_EQ(offsetof(QueueControl, front_sleeps), 128u);
  EXPECT_EQ(offsetof(QueueControl, alarm_due), 192u);
  EXPECT_EQ(offsetof(QueueControl, load), 256u);
  EXPECT_EQ(sizeof(SlotControl), 16u);
  EXPECT_EQ(offsetof(LaneControl, up_read), 64u);
  EXPECT_EQ(offsetof(LaneControl, down_write), 128u);
  EXPECT_EQ(offsetof(LaneControl, down_read), 192u);
  EXPECT_EQ(offsetof(LaneControl, front_waits), 256u);
  EXPECT_EQ(offsetof(SlotHeader, body_chunks), 12u);
  EXPECT_EQ(offsetof(SlotHeader, reserved), 60u);
  const SegmentOffsets offsets{Layout()};
  EXPECT_EQ(offsets.sleep_board, 4096u);
  EXPECT_EQ(offsets.fronts, 12288u);
  EXPECT_EQ(offsets.index_ring, 320u);
  EXPECT_EQ(offsets.index_entries, 1024u);
  EXPECT_EQ(offsets.slot_controls, 4416u);
  EXPECT_EQ(offsets.lane_controls, 8704u);
  EXPECT_EQ(offsets.slots, 12288u);
  EXPECT_EQ(offsets.chunks, 4206592u);
  EXPECT_EQ(offsets.up_rings, 8400896u);
  EXPECT_EQ(offsets.down_rings, 9449472u);
  EXPECT_EQ(offsets.front_stride, 9711616u);
}

TEST(SegmentTest, CannotBeResizedByAnybody) {
  auto memory = create_segment({});
  ASSERT_TRUE(memory.ok());
  EXPECT_EQ(ftruncate(memory->get(), 4096), -1);
  EXPECT_EQ(ftruncate(memory->get(), 1 << 30), -1);
  EXPECT_EQ(fcntl(memory->get(), F_ADD_SEALS, F_SEAL_WRITE), -1);
}

TEST(SegmentTest, UntouchedMemoryCostsNothing) {
  Layout layout;
  layout.lanes = 64;
  auto memory = create_segment(layout);
  ASSERT_TRUE(memory.ok());
  struct stat status;
  ASSERT_EQ(fstat(memory->get(), &status), 0);
  EXPECT_GT(status.st_size, 20 << 20);
  EXPECT_LE(status.st_blocks * 512, 8192);
}

TEST(SegmentTest, ForeignMemoryIsRefused) {
  size_t size = good_header().segment_bytes;
  EXPECT_TRUE(Segment::map(made_by_hand(good_header(), size, true).get()).ok());
  EXPECT_FALSE(Segment::map(made_by_hand(good_header(), size, false).get()).ok());
  EXPECT_FALSE(Segment::map(made_by_hand(good_header(), size - 4096, true).get()).ok());
  EXPECT_FALSE(Segment::map(made_by_hand(good_header(), size + 4096, true).get()).ok());
  SegmentHeader header = good_header();
  header.magic ^= 1;
  EXPECT_FALSE(Segment::map(made_by_hand(header, size, true).get()).ok());
  header = good_header();
  header.layout_version = kLayoutVersion + 1;
  auto newer = Segment::map(made_by_hand(header, size, true).get());
  ASSERT_FALSE(newer.ok());
  EXPECT_NE(newer.error().message.find("version " + std::to_string(kLayoutVersion + 1)), std::string::npos);
  EXPECT_FALSE(Segment::map(-1).ok());
  EXPECT_FALSE(Segment::map(base::FileDescriptor(open("/dev/null", O_RDWR | O_CLOEXEC)).get()).ok());
}

TEST(SegmentTest, WhatAWorkerHasSpoiledIsKnown) {
  base::Result<base::FileDescriptor> memory = create_segment(Layout());
  ASSERT_TRUE(memory.ok());
  EXPECT_TRUE(check_segment(memory->get()).ok());
  ASSERT_EQ(pwrite(memory->get(), "\xff\xff\xff\xff\xff\xff\xff\xff", 8, 0), 8);
  EXPECT_FALSE(check_segment(memory->get()).ok());
}

TEST(SegmentTest, LayoutsOutOfBoundsAreRefusedOnBothSides) {
  std::vector<Layout> bad(16);
  bad[0].fronts = 0;
  bad[1].fronts = 65;
  bad[2].lanes = 0;
  bad[3].lanes = 65;
  bad[4].slots = 0;
  bad[5].slots = 65536;
  bad[6].slot_bytes = 0;
  bad[7].slot_bytes = 5000;
  bad[8].chunks = 0;
  bad[9].chunks = 0x7fffffff;
  bad[10].chunk_bytes = 4096;
  bad[11].up_ring_bytes = 0;
  bad[12].up_ring_bytes = 3 * 4096;
  bad[13].down_ring_bytes = 2048;
  bad[14].down_ring_bytes = 0x80000000;
  bad[15].slot_bytes = 0xfffff000;
  for (const Layout& layout : bad) {
    EXPECT_FALSE(create_segment(layout).ok());
    SegmentHeader header = good_header();
    header.layout = layout;
    EXPECT_FALSE(Segment::map(made_by_hand(header, header.segment_bytes, true).get()).ok());
  }
}

TEST(SegmentTest, NothingOverlaps) {
  Layout layout;
  layout.fronts = 3;
  layout.slots = 100;  // not a power of two
  layout.lanes = 5;
  auto memory = create_segment(layout);
  ASSERT_TRUE(memory.ok());
  auto segment = Segment::map(memory->get());
  ASSERT_TRUE(segment.ok());
  SegmentMap map(*segment);
  std::vector<std::pair<char*, size_t>> parts{{segment->base(), sizeof(SegmentHeader)}};
  auto add = [&](auto& object) { parts.emplace_back(reinterpret_cast<char*>(&object), sizeof object); };
  add(map.sleep_board());
  for (uint32_t front = 0; front < layout.fronts; ++front) {
    add(map.queue(front));
    for (uint32_t entry = 0; entry < map.index_entries(); ++entry) add(map.index_entry(front, entry));
    for (uint32_t slot = 0; slot < layout.slots; ++slot) {
      add(map.slot_control(front, slot));
      parts.emplace_back(map.slot(front, slot), layout.slot_bytes);
    }
    for (uint32_t chunk = 0; chunk < layout.chunks; ++chunk)
      parts.emplace_back(map.chunk(front, chunk), layout.chunk_bytes);
    for (uint32_t lane = 0; lane < layout.lanes; ++lane) {
      add(map.lane(front, lane));
      parts.emplace_back(map.up_ring(front, lane), layout.up_ring_bytes);
      parts.emplace_back(map.down_ring(front, lane), layout.down_ring_bytes);
    }
  }
  std::sort(parts.begin(), parts.end());
  for (size_t index = 0; index + 1 < parts.size(); ++index)
    ASSERT_LE(parts[index].first + parts[index].second, parts[index + 1].first);
  EXPECT_LE(parts.back().first + parts.back().second, segment->base() + segment->size());
}

bool maps_segment() {
  std::ifstream maps("/proc/self/maps");
  std::string line;
  while (std::getline(maps, line))
    if (line.find("cutwater-link") != std::string::npos) return true;
  return false;
}

// os.fork() in an app: the child finds a hole, knows it, and whatever it maps there afterwards is left alone.
TEST(SegmentTest, ForkedChildIsDetached) {
  auto memory = create_segment({});
  ASSERT_TRUE(memory.ok());
  auto mapped = Segment::map(memory->get());
  ASSERT_TRUE(mapped.ok());
  auto segment = std::make_unique<Segment>(std::move(*mapped));
  ASSERT_TRUE(maps_segment());
  char* base = segment->base();
  size_t size = segment->size();
  pid_t child = fork();
  if (child == 0) {
    if (segment->attached() || segment->base() != nullptr) _exit(1);
    if (maps_segment()) _exit(2);
    // Somebody else (a sanitizer) may have taken the place already.
    void* other = mmap(base, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    segment.reset();
    if (other == base) std::memset(base, 1, size);
    _exit(0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_TRUE(segment->attached());
}

}  // namespace
}  // namespace cutwater::link
