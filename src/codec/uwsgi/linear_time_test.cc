// The time to read variables, and to write them, grows with their bytes and not with the square of their number
// (faults.md 42).
#include <gtest/gtest.h>

#include <deque>
#include <string>

#include "base/linear_time_test_support.h"
#include "codec/uwsgi/packet.h"

namespace cutwater::codec::uwsgi {
namespace {

// As many as half of what a packet holds: twice as many fit too.
constexpr size_t kCount = 2'500;

struct Packet {
  explicit Packet(size_t count) {
    for (size_t i = 0; i < count; ++i) names.push_back("A" + std::to_string(i));
    for (const std::string& name : names) variables.push_back({name, "v"});
    if (!append_packet(bytes, 0, 0, variables)) ADD_FAILURE();
  }
  std::deque<std::string> names;
  Variables variables;
  std::string bytes;
};

TEST(LinearTime, ReadingAPacket) {
  auto make = [](size_t count) { return Packet(count); };
  auto read = [](const Packet& packet) {
    Variables variables;
    if (read_packet(packet.bytes, {SIZE_MAX, SIZE_MAX}, variables).kind != PacketResult::kComplete) ADD_FAILURE();
  };
  EXPECT_LT(base::growth_when_doubled(kCount, make, read), base::kLinear);
}

TEST(LinearTime, WritingAPacket) {
  auto make = [](size_t count) { return Packet(count); };
  auto write = [](const Packet& packet) {
    std::string bytes;
    if (!append_packet(bytes, 0, 0, packet.variables)) ADD_FAILURE();
  };
  EXPECT_LT(base::growth_when_doubled(kCount, make, write), base::kLinear);
}

}  // namespace
}  // namespace cutwater::codec::uwsgi
