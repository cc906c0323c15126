#include "base/sha1.h"

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace cutwater::base {

namespace {

constexpr size_t kBlock = 64;
using State = std::array<uint32_t, 5>;

uint32_t word_at(std::string_view block, size_t index) {
  uint32_t word = 0;
  for (size_t byte = 0; byte < 4; ++byte) word = word << 8 | static_cast<unsigned char>(block[4 * index + byte]);
  return word;
}

// Section 6.1.2.
void take_block(State& state, std::string_view block) {
  std::array<uint32_t, 80> schedule;
  for (size_t t = 0; t < 16; ++t) schedule[t] = word_at(block, t);
  for (size_t t = 16; t < 80; ++t) {
    schedule[t] = std::rotl(schedule[t - 3] ^ schedule[t - 8] ^ schedule[t - 14] ^ schedule[t - 16], 1);
  }
  auto [a, b, c, d, e] = state;
  for (size_t t = 0; t < 80; ++t) {
    uint32_t mixed;
    if (t < 20) {
      mixed = ((b & c) ^ (~b & d)) + 0x5a827999;
    } else if (t < 40) {
      mixed = (b ^ c ^ d) + 0x6ed9eba1;
    } else if (t < 60) {
      mixed = ((b & c) ^ (b & d) ^ (c & d)) + 0x8f1bbcdc;
    } else {
      mixed = (b ^ c ^ d) + 0xca62c1d6;
    }
    const uint32_t next = std::rotl(a, 5) + mixed + e + schedule[t];
    e = d;
    d = c;
    c = std::rotl(b, 30);
    b = a;
    a = next;
  }
  state = {state[0] + a, state[1] + b, state[2] + c, state[3] + d, state[4] + e};
}

}  // namespace

std::string sha1(std::string_view message) {
  State state{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
  // Behind the message: one bit, zeros, and its length in bits (section 5.1.1).
  std::string padded(message);
  padded += '\x80';
  while (padded.size() % kBlock != kBlock - 8) padded += '\0';
  const uint64_t bits = uint64_t{message.size()} * 8;
  for (int shift = 56; shift >= 0; shift -= 8) padded += static_cast<char>(bits >> shift & 255);
  for (size_t at = 0; at < padded.size(); at += kBlock) take_block(state, std::string_view(padded).substr(at, kBlock));
  std::string digest;
  for (uint32_t word : state) {
    for (int shift = 24; shift >= 0; shift -= 8) digest += static_cast<char>(word >> shift & 255);
  }
  return digest;
}

}  // namespace cutwater::base
