#include "base/byte_reader.h"

#include <gtest/gtest.h>

#include <array>

namespace cutwater::base {
namespace {

TEST(ByteReader, ReadsWhatWasWritten) {
  std::array<char, 64> room;
  ByteWriter writer(room);
  writer.integer<uint8_t>(7);
  writer.integer<uint32_t>(0xdeadbeef);
  writer.bytes("hello");
  writer.bytes("");
  writer.integer<uint64_t>(UINT64_MAX);
  ASSERT_FALSE(writer.failed());
  EXPECT_EQ(writer.used(), 1U + 4 + 5 + 8);

  ByteReader reader(std::string_view(room.data(), writer.used()));
  EXPECT_EQ(reader.integer<uint8_t>(), 7);
  EXPECT_EQ(reader.integer<uint32_t>(), 0xdeadbeef);
  EXPECT_EQ(reader.bytes(5), "hello");
  EXPECT_EQ(reader.integer<uint64_t>(), UINT64_MAX);
  EXPECT_FALSE(reader.failed());
  EXPECT_TRUE(reader.rest().empty());
}

TEST(ByteReader, StaysFailedPastTheEnd) {
  ByteReader reader("abc");
  EXPECT_EQ(reader.integer<uint32_t>(), 0U);
  EXPECT_TRUE(reader.failed());
  EXPECT_EQ(reader.bytes(1), "");
  EXPECT_EQ(reader.integer<uint8_t>(), 0);
  EXPECT_TRUE(reader.failed());
}

TEST(ByteReader, RefusesCountsThatWouldOverflow) {
  ByteReader reader("abc");
  reader.bytes(1);
  EXPECT_EQ(reader.bytes(SIZE_MAX), "");
  EXPECT_TRUE(reader.failed());
}

TEST(ByteReader, ReadsNothingFromNothing) {
  ByteReader reader("");
  EXPECT_EQ(reader.bytes(0), "");
  EXPECT_FALSE(reader.failed());
}

TEST(ByteWriter, StaysFailedOnceFull) {
  std::array<char, 4> room{};
  ByteWriter writer(room);
  writer.bytes("abc");
  writer.integer<uint16_t>(1);
  EXPECT_TRUE(writer.failed());
  EXPECT_EQ(writer.used(), 3U);
  writer.bytes("d");  // would fit, but what follows a hole is worth nothing
  EXPECT_TRUE(writer.failed());
  EXPECT_EQ(writer.used(), 3U);
}

TEST(ByteWriter, FillsToTheLastByte) {
  std::array<char, 3> room{};
  ByteWriter writer(room);
  writer.bytes("abc");
  EXPECT_FALSE(writer.failed());
  EXPECT_EQ(std::string_view(room.data(), room.size()), "abc");
  writer.bytes("");
  EXPECT_FALSE(writer.failed());
}

}  // namespace
}  // namespace cutwater::base
