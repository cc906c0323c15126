#include "base/sha1.h"

#include <gtest/gtest.h>

namespace cutwater::base {
namespace {

std::string hexadecimal(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

TEST(Sha1, GivesTheDigestsOfTheStandard) {
  EXPECT_EQ(hexadecimal(sha1("abc")), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(hexadecimal(sha1("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")),
            "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
  EXPECT_EQ(hexadecimal(sha1(std::string(1'000'000, 'a'))), "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
}

// Around the ends of blocks, where the padding changes.
TEST(Sha1, PadsEveryLength) {
  struct Case {
    size_t length;
    std::string_view digest;
  };
  for (const Case& one : {
           Case{0, "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
           Case{3, "7e240de74fb1ed08fa08d38063f6a6a91462a815"},
           Case{55, "c1c8bbdc22796e28c0e15163d20899b65621d65a"},
           Case{56, "c2db330f6083854c99d4b5bfb6e8f29f201be699"},
           Case{63, "03f09f5b158a7a8cdad920bddc29b81c18a551f5"},
           Case{64, "0098ba824b5c16427bd7a1122a5a442a25ec644d"},
           Case{119, "ee971065aaa017e0632a8ca6c77bb3bf8b1dfc56"},
           Case{120, "f34c1488385346a55709ba056ddd08280dd4c6d6"},
           Case{1000, "291e9a6c66994949b57ba5e650361e98fc36b1ba"},
       }) {
    EXPECT_EQ(hexadecimal(sha1(std::string(one.length, 'a'))), one.digest) << one.length;
  }
}

TEST(Sha1, TakesAnyByte) {
  EXPECT_EQ(hexadecimal(sha1(std::string_view("\0\xff\x80", 3))), "e4bc8a01806054986edd720593bc12f760eca5b9");
}

}  // namespace
}  // namespace cutwater::base
