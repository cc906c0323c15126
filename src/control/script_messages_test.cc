#include "control/script_messages.h"

#include <gtest/gtest.h>

namespace cutwater::control {
namespace {

TEST(ScriptMessages, BytesTravelAsText) {
  std::string bytes;
  for (int byte = 1; byte < 256; ++byte) bytes += static_cast<char>(byte);
  const std::string text = bytes_to_text(bytes);
  EXPECT_EQ(text_to_bytes(text), bytes);
  // What JSON makes of it and back is the same.
  EXPECT_EQ(nlohmann::json::parse(nlohmann::json(text).dump()).get<std::string>(), text);
}

TEST(ScriptMessages, RefuseTextThatIsNoBytes) {
  for (std::string_view text : {std::string_view("a\0b", 3), std::string_view("\xe2\x82\xac"),  // the euro sign
                                std::string_view("\xc4\x80"), std::string_view("\xc3"), std::string_view("\xc3x"),
                                std::string_view("\xc1\x80"), std::string_view("\x80")}) {
    EXPECT_EQ(text_to_bytes(text), std::nullopt) << text;
  }
}

TEST(ScriptMessages, StartReadsAsDocumented) {
  StartScript message;
  message.script = 7;
  message.entry = 1;
  message.path = "sub/hello.cgi";
  message.variables = {"REQUEST_METHOD=GET"};
  EXPECT_EQ(encode(message), nlohmann::json::parse(R"({"type": "start_script", "script": 7, "entry": 1,
      "path": "sub/hello.cgi", "variables": ["REQUEST_METHOD=GET"]})"));
  EXPECT_TRUE(decode<StartScript>(encode(message)).ok());
}

TEST(ScriptMessages, RefuseWrongFields) {
  auto start = encode(StartScript{});
  start["variables"] = nlohmann::json::array({7});
  EXPECT_FALSE(decode<StartScript>(start).ok());
  auto ended = encode(ScriptEnded{});
  ended["signal"] = "KILL";
  EXPECT_FALSE(decode<ScriptEnded>(ended).ok());
}

}  // namespace
}  // namespace cutwater::control
