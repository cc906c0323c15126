#include "upstream/upgrade.h"

#include <gtest/gtest.h>

#include <string>

namespace cutwater::upstream {
namespace {

constexpr std::string_view kKey = "dGhlIHNhbXBsZSBub25jZQ==";

message::Request asking(std::string_view protocols, std::string_view key = kKey) {
  message::Request request;
  request.method = "GET";
  request.upgrade = protocols;
  if (!key.empty()) request.headers.add("sec-websocket-key", key);
  return request;
}

TEST(UpgradeOffer, NothingWithoutOne) {
  EXPECT_EQ(upgrade_offer(asking("")).protocols, "");
}

TEST(UpgradeOffer, OtherProtocolsNeedNoKeyAndAnyMethod) {
  message::Request request = asking("echo", "");
  request.method = "POST";
  EXPECT_EQ(upgrade_offer(request).protocols, "echo");
}

TEST(UpgradeOffer, AWebSocketNeedsGetAndOneSoundKey) {
  EXPECT_EQ(upgrade_offer(asking("WebSocket")).protocols, "WebSocket");
  EXPECT_EQ(upgrade_offer(asking("other, websocket")).websocket_key, kKey);
  EXPECT_EQ(upgrade_offer(asking("websocket", "")).protocols, "");
  EXPECT_EQ(upgrade_offer(asking("other, websocket", "c2hvcnQ=")).protocols, "");
  message::Request post = asking("websocket");
  post.method = "POST";
  EXPECT_EQ(upgrade_offer(post).protocols, "");
  message::Request two = asking("websocket");
  two.headers.add("Sec-WebSocket-Key", kKey);
  EXPECT_EQ(upgrade_offer(two).protocols, "");
}

bool is_taken(std::string_view offered, std::string_view taken, std::initializer_list<std::string_view> accepts = {}) {
  message::Response response;
  response.status = 101;
  response.upgrade = taken;
  for (std::string_view accept : accepts) response.headers.add("Sec-WebSocket-Accept", accept);
  return fault_of_switch({offered, kKey}, response) == nullptr;
}

TEST(Switch, OnlyToWhatWasOffered) {
  EXPECT_TRUE(is_taken("echo", "echo"));
  EXPECT_TRUE(is_taken("a/1, Echo", "eCHO"));
  EXPECT_FALSE(is_taken("", "echo"));
  EXPECT_FALSE(is_taken("", ""));
  EXPECT_FALSE(is_taken("echo", ""));
  EXPECT_FALSE(is_taken("echo, ,", ""));
  EXPECT_FALSE(is_taken("echo", "other"));
  EXPECT_FALSE(is_taken("echo", "echo, echo"));
}

TEST(Switch, AWebSocketIsProven) {
  constexpr std::string_view kAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
  EXPECT_TRUE(is_taken("websocket", "WebSocket", {kAccept}));
  EXPECT_FALSE(is_taken("websocket", "websocket"));
  EXPECT_FALSE(is_taken("websocket", "websocket", {""}));
  EXPECT_FALSE(is_taken("websocket", "websocket", {"S3pPLMBiTxaQ9kYGzzhZRbK+xOo="}));
  EXPECT_FALSE(is_taken("websocket", "websocket", {kAccept, kAccept}));
}

}  // namespace
}  // namespace cutwater::upstream
