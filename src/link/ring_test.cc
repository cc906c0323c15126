#include "link/ring.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "link/segment.h"

namespace cutwater::link {
namespace {

constexpr uint32_t kBytes = 64 * 1024;

struct Memory {
  alignas(64) char data[kBytes] = {};
  std::atomic<uint64_t> write_position{0};
  std::atomic<uint64_t> read_position{0};
  RingPlace place() { return {data, kBytes, &write_position, &read_position}; }
};

bool write(RingWriter& writer, std::string_view payload, uint32_t value = 0) {
  char* room = writer.reserve(static_cast<uint32_t>(payload.size()));
  if (room == nullptr) return false;
  std::memcpy(room, payload.data(), payload.size());
  writer.commit(
      {.kind = 2, .slot = 1, .generation = 7, .length = static_cast<uint32_t>(payload.size()), .value = value});
  return true;
}

TEST(RingTest, RandomFramesComeBackInOrder) {
  auto memory = std::make_unique<Memory>();
  RingWriter writer(memory->place());
  RingReader reader(memory->place());
  std::mt19937 random(1);
  std::vector<std::string> sent;
  size_t read = 0;
  for (int step = 0; step < 20000; ++step) {
    auto length = static_cast<uint32_t>(random() % 8 == 0 ? random() % (maximum_payload(kBytes) + 1) : random() % 300);
    std::string payload(length, static_cast<char>(random()));
    if (random() % 2 == 0 && write(writer, payload, static_cast<uint32_t>(sent.size()))) sent.push_back(payload);
    if (random() % 2 == 0) continue;
    FrameHeader frame;
    std::string_view seen;
    if (reader.next(frame, seen) == RingReader::kFrame) {
      ASSERT_EQ(frame.value, read);
      ASSERT_EQ(seen, sent[read++]);
    }
    if (random() % 3 == 0) reader.publish();
  }
  EXPECT_GT(read, 4000u);
}

TEST(RingTest, LongestFrameFitsAnEmptyRingAtEveryOffset) {
  auto memory = std::make_unique<Memory>();
  std::string longest(maximum_payload(kBytes), 'x');
  for (uint64_t offset = 0; offset < kBytes; offset += kFrameAlignment) {
    memory->write_position = memory->read_position = 5 * uint64_t{kBytes} + offset;
    RingWriter writer(memory->place());
    RingReader reader(memory->place());
    ASSERT_TRUE(write(writer, longest)) << offset;
    FrameHeader frame;
    std::string_view payload;
    ASSERT_EQ(reader.next(frame, payload), RingReader::kFrame);
    EXPECT_EQ(payload.size(), longest.size());
    EXPECT_EQ(reader.next(frame, payload), RingReader::kEmpty);
  }
  RingWriter writer(memory->place());
  EXPECT_EQ(writer.reserve(maximum_payload(kBytes) + 1), nullptr);
}

TEST(RingTest, FullRingRefusesUntilTheReaderPublishes) {
  auto memory = std::make_unique<Memory>();
  RingWriter writer(memory->place());
  RingReader reader(memory->place());
  int count = 0;
  while (write(writer, std::string(1008, 'x'))) ++count;
  EXPECT_EQ(count, 64);
  FrameHeader frame;
  std::string_view payload;
  ASSERT_EQ(reader.next(frame, payload), RingReader::kFrame);
  EXPECT_FALSE(writer.has_room(1008));
  EXPECT_TRUE(reader.publish());
  EXPECT_FALSE(reader.publish());
  EXPECT_TRUE(writer.has_room(1008));
  EXPECT_TRUE(write(writer, std::string(1008, 'x')));
  EXPECT_FALSE(write(writer, ""));
}

TEST(RingTest, SmallTrafficStaysInTheFirstPages) {
  auto memory = std::make_unique<Memory>();
  RingWriter writer(memory->place());
  RingReader reader(memory->place());
  for (int count = 0; count < 10000; ++count) {
    ASSERT_TRUE(write(writer, std::string(200, 'x')));
    FrameHeader frame;
    std::string_view payload;
    ASSERT_EQ(reader.next(frame, payload), RingReader::kFrame);
    EXPECT_LT(payload.data() - memory->data, 17 * 1024);
    reader.publish();
  }
}

// To start over early costs the room of the end that is skipped: 16 KiB would stay all there is.
TEST(RingTest, BurstsGetMoreAndMoreOfTheRing) {
  auto memory = std::make_unique<Memory>();
  RingWriter writer(memory->place());
  RingReader reader(memory->place());
  auto burst = [&] {
    int count = 0;
    while (write(writer, std::string(4080, 'x'))) ++count;
    FrameHeader frame;
    std::string_view payload;
    for (int read = 0; read < count; ++read) EXPECT_EQ(reader.next(frame, payload), RingReader::kFrame);
    EXPECT_EQ(reader.next(frame, payload), RingReader::kEmpty);
    reader.publish();
    return count;
  };
  for (int count = 0; count < 10; ++count) burst();
  int fewest = 1000;
  for (int count = 0; count < 100; ++count) fewest = std::min(fewest, burst());
  EXPECT_GE(fewest, 15);  // of 16 that fit
  // And back: small traffic keeps to the first pages again.
  std::ptrdiff_t furthest = 0;
  for (int count = 0; count < 300'000; ++count) {
    ASSERT_TRUE(write(writer, std::string(200, 'x')));
    FrameHeader frame;
    std::string_view payload;
    ASSERT_EQ(reader.next(frame, payload), RingReader::kFrame);
    if (count > 290'000) furthest = std::max(furthest, payload.data() - memory->data);
    reader.publish();
  }
  EXPECT_LT(furthest, 17 * 1024);
}

TEST(RingTest, NothingIsSeenBeforeCommit) {
  auto memory = std::make_unique<Memory>();
  RingWriter writer(memory->place());
  RingReader reader(memory->place());
  ASSERT_NE(writer.reserve(100), nullptr);
  EXPECT_FALSE(reader.pending());
  FrameHeader frame;
  std::string_view payload;
  EXPECT_EQ(reader.next(frame, payload), RingReader::kEmpty);
  EXPECT_TRUE(write(writer, "again"));
  EXPECT_TRUE(reader.pending());
}

TEST(RingTest, ImpossiblePositionsAndLengthsAreBroken) {
  FrameHeader frame;
  std::string_view payload;
  for (uint64_t position : {uint64_t{1}, uint64_t{63}, uint64_t{kBytes} + 64, ~uint64_t{0}, ~uint64_t{63}}) {
    auto memory = std::make_unique<Memory>();
    RingReader reader(memory->place());
    memory->write_position = position;
    EXPECT_EQ(reader.next(frame, payload), RingReader::kBroken) << position;
    if (position == ~uint64_t{63}) continue;  // for a writer at 0 that is a reader one frame behind
    auto other = std::make_unique<Memory>();
    other->read_position = position;
    EXPECT_TRUE(RingWriter(other->place()).broken()) << position;
    EXPECT_FALSE(RingWriter(other->place()).has_room(1)) << position;
  }
  for (uint32_t length : {113u, kBytes - 16, kMaximumPayload, kMaximumPayload + 1, 0xffffffffu}) {
    auto memory = std::make_unique<Memory>();
    RingReader reader(memory->place());
    FrameHeader header{.kind = 1, .length = length};
    std::memcpy(memory->data, &header, sizeof header);
    memory->write_position = 128;
    EXPECT_EQ(reader.next(frame, payload), RingReader::kBroken) << length;
  }
  // Padding beyond what was written, and a frame over the ring's end.
  auto memory = std::make_unique<Memory>();
  RingReader reader(memory->place());
  memory->write_position = 64;
  EXPECT_EQ(reader.next(frame, payload), RingReader::kBroken);
  memory->write_position = kBytes - 64;
  memory->read_position = kBytes - 64;
  RingReader late(memory->place());
  FrameHeader header{.kind = 1, .length = 100};
  std::memcpy(memory->data + kBytes - 64, &header, sizeof header);
  memory->write_position = kBytes + 64;
  EXPECT_EQ(late.next(frame, payload), RingReader::kBroken);
}

}  // namespace
}  // namespace cutwater::link
