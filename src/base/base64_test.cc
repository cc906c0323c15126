#include "base/base64.h"

#include <gtest/gtest.h>

namespace cutwater::base {
namespace {

TEST(Base64, WritesTheVectorsOfTheRfc) {
  EXPECT_EQ(to_base64(""), "");
  EXPECT_EQ(to_base64("f"), "Zg==");
  EXPECT_EQ(to_base64("fo"), "Zm8=");
  EXPECT_EQ(to_base64("foo"), "Zm9v");
  EXPECT_EQ(to_base64("foob"), "Zm9vYg==");
  EXPECT_EQ(to_base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(to_base64("\xfb\xff\xfe"), "+//+");
}

TEST(Base64, TellsTheSizeOfWhatItReads) {
  EXPECT_EQ(base64_size(""), 0u);
  EXPECT_EQ(base64_size("Zg=="), 1u);
  EXPECT_EQ(base64_size("Zm8="), 2u);
  EXPECT_EQ(base64_size("+//+"), 3u);
  EXPECT_EQ(base64_size("dGhlIHNhbXBsZSBub25jZQ=="), 16u);
  for (const char* wrong : {"Zg=", "Zg", "====", "Z===", "Zm9v ", "Zm=v", "Zm9-", "Zm9\n", "=m9v"}) {
    EXPECT_EQ(base64_size(wrong), std::nullopt) << wrong;
  }
}

}  // namespace
}  // namespace cutwater::base
