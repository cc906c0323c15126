#include "codec/websocket/handshake.h"

#include <gtest/gtest.h>

namespace cutwater::codec::websocket {
namespace {

TEST(Handshake, AnswersTheKeyOfTheRfc) {
  EXPECT_EQ(accept_of("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

TEST(Handshake, KnowsAKey) {
  EXPECT_TRUE(is_key("dGhlIHNhbXBsZSBub25jZQ=="));
  for (const char* wrong : {"", "dGhlIHNhbXBsZSBub25jZ", "dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25jZ!==",
                            "c2hvcnQ=", "dGhlIHNhbXBsZSBub25jZSBsb25n"}) {
    EXPECT_FALSE(is_key(wrong)) << wrong;
  }
}

}  // namespace
}  // namespace cutwater::codec::websocket
