#include "codec/uwsgi/packet.h"

#include <gtest/gtest.h>

namespace cutwater::codec::uwsgi {
namespace {

std::string packet(const Variables& variables) {
  std::string bytes;
  EXPECT_TRUE(append_packet(bytes, 0, 0, variables));
  return bytes;
}

TEST(UwsgiPacketTest, LittleEndianPairs) {
  const std::string bytes = packet({{"A", "1"}, {"LONG", std::string(300, 'x')}, {"EMPTY", ""}}) + "body";
  EXPECT_EQ(bytes.substr(0, 10), std::string("\0\x43\x01\0\x01\0A\x01\0"
                                             "1",
                                             10));
  Variables variables;
  const PacketResult result = read_packet(bytes, {}, variables);
  ASSERT_EQ(result.kind, PacketResult::kComplete) << result.reason;
  EXPECT_EQ(bytes.substr(result.consumed), "body");
  ASSERT_EQ(variables.size(), 3u);
  EXPECT_EQ(variables[1].value, std::string(300, 'x'));
  EXPECT_EQ(variables[2].name, "EMPTY");
}

TEST(UwsgiPacketTest, EveryCutIsIncompleteAndSaysWhatItNeeds) {
  const std::string bytes = packet({{"A", "1"}, {"B", ""}});
  for (size_t cut = 0; cut < bytes.size(); ++cut) {
    Variables variables;
    const PacketResult result = read_packet(bytes.substr(0, cut), {}, variables);
    ASSERT_EQ(result.kind, PacketResult::kIncomplete) << cut;
    EXPECT_GT(result.needed, cut);
    EXPECT_LE(result.needed, bytes.size());
  }
}

TEST(UwsgiPacketTest, Refused) {
  const VariableLimits small{64, 3};
  const std::string cases[] = {
      std::string("\0\0\0\0", 4),                          // no variables
      std::string("\0\x03\0\0\0\0\0", 7),                  // half a pair
      std::string("\0\x04\0\0\0\0\0\0", 8),                // a name without bytes
      std::string("\0\x05\0\0\x09\0A\0\0", 9),             // name past the end
      std::string("\0\x05\0\0\x01\0A\x01\0", 9),           // value past the end
      std::string("\0\x07\0\0\x01\0\xc3\xa9\x01\0v", 11),  // the length of a name in letters, not bytes
      packet({{"A", "1"}, {"\xc3\xa9", "v"}}),             // which who counts letters would split otherwise
      packet({{"CONTENT_LENGTH", "1"}, {"CONTENT_LENGTH", "1"}}),
  };
  for (const std::string& bytes : cases) {
    Variables variables;
    EXPECT_EQ(read_packet(bytes, small, variables).kind, PacketResult::kMalformed) << bytes.size();
  }
}

TEST(UwsgiPacketTest, TooLargeIsToldApart) {
  const VariableLimits small{64, 3};
  Variables variables;
  EXPECT_EQ(read_packet(std::string("\0\x41\0\0", 4), small, variables).kind, PacketResult::kTooLarge);
  EXPECT_EQ(read_packet(packet({{"A", ""}, {"B", ""}, {"C", ""}, {"D", ""}}), small, variables).kind,
            PacketResult::kTooLarge);
}

TEST(UwsgiPacketTest, OtherModifiersAreToldApart) {
  Variables variables;
  const PacketResult result = read_packet(std::string("\x05\x10\0\0", 4), {}, variables);
  EXPECT_EQ(result.kind, PacketResult::kOtherModifier);
  EXPECT_EQ(result.modifier1, 5);
}

TEST(UwsgiPacketTest, Modifier30TakesTheScriptNameOffThePath) {
  struct Case {
    const char* script_name;
    const char* path;
    const char* rest;
  };
  for (const Case& each : {Case{"/app", "/app/x", "/x"}, Case{"/app/", "/app/x", "/x"}, Case{"/app", "/app/", "/"},
                           Case{"/app", "/appx", "/appx"}, Case{"/app", "/x", "/x"}, Case{"/app", "/app", "/app"},
                           Case{"", "/x", "/x"}, Case{"/", "/x", "/x"}}) {
    std::string bytes;
    ASSERT_TRUE(append_packet(bytes, 30, 0, {{"PATH_INFO", each.path}, {"SCRIPT_NAME", each.script_name}}));
    Variables variables;
    ASSERT_EQ(read_packet(bytes, {}, variables).kind, PacketResult::kComplete);
    EXPECT_EQ(variables[0].value, each.rest) << each.script_name << " " << each.path;
  }
}

TEST(UwsgiPacketTest, MoreThanTheHeaderCanSayIsNotWritten) {
  std::string bytes;
  const std::string value(65535 - 5, 'v');
  EXPECT_TRUE(append_packet(bytes, 0, 0, {{"A", value}}));
  bytes.clear();
  EXPECT_FALSE(append_packet(bytes, 0, 0, {{"AB", value}}));
  EXPECT_FALSE(append_packet(bytes, 0, 0, {{"A", value}, {"B", ""}}));
  EXPECT_TRUE(bytes.empty());
}

}  // namespace
}  // namespace cutwater::codec::uwsgi
