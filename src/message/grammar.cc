#include "message/grammar.h"

#include <algorithm>
#include <bit>
#include <cstring>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/text.h"

namespace cutwater::message {
namespace {

const char* find_control_bytewise(const char* begin, const char* end) {
  while (begin != end && !is_control_byte(*begin)) ++begin;
  return begin;
}

#ifndef __SSE2__

constexpr uint64_t kOnes = 0x0101010101010101;
constexpr uint64_t kHighBits = kOnes * 0x80;

// Marks the high bit of bytes below 0x20 and of 0x7f. Exact up to and including the first byte marked; above
// it a borrow may mark more.
constexpr uint64_t mark_controls(uint64_t word) {
  uint64_t below_space = (word - kOnes * 0x20) & ~word;
  uint64_t delete_as_zero = word ^ (kOnes * 0x7f);
  uint64_t is_delete = (delete_as_zero - kOnes) & ~delete_as_zero;
  return (below_space | is_delete) & kHighBits;
}

#else

// A bit for each control byte.
unsigned control_bits(__m128i bytes) {
  __m128i below_space = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
  __m128i is_delete = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f));
  __m128i is_tab = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\t'));
  __m128i control = _mm_andnot_si128(is_tab, _mm_or_si128(below_space, is_delete));
  return static_cast<unsigned>(_mm_movemask_epi8(control));
}

unsigned control_bits(const char* at) {
  return control_bits(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at)));
}

// Of 8 to 16 bytes: the first 8 and the last 8, which may overlap. Most values are so short.
const char* find_control_in_few(const char* begin, const char* end) {
  const char* last = end - 8;
  const unsigned bits = control_bits(_mm_unpacklo_epi64(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(begin)),
                                                        _mm_loadl_epi64(reinterpret_cast<const __m128i*>(last))));
  if (bits == 0) return end;
  const int first = std::countr_zero(bits);
  return first < 8 ? begin + first : last + (first - 8);
}

#endif
}  // namespace

#ifdef __SSE2__

const char* find_control(const char* begin, const char* end) {
  if (end - begin < 8) return find_control_bytewise(begin, end);
  if (end - begin < 16) return find_control_in_few(begin, end);
  for (; end - begin >= 16; begin += 16) {
    if (unsigned bits = control_bits(begin)) return begin + std::countr_zero(bits);
  }
  // The rest once more with what lies before it, where there is none.
  unsigned bits = begin == end ? 0 : control_bits(end - 16);
  return bits == 0 ? end : end - 16 + std::countr_zero(bits);
}

#else

const char* find_control(const char* begin, const char* end) {
  if constexpr (std::endian::native == std::endian::little) {
    while (end - begin >= 8) {
      uint64_t word;
      std::memcpy(&word, begin, sizeof word);
      uint64_t marks = mark_controls(word);
      if (marks == 0) {
        begin += 8;
        continue;
      }
      begin += std::countr_zero(marks) / 8;
      if (*begin != '\t') return begin;
      ++begin;
    }
  }
  return find_control_bytewise(begin, end);
}

#endif

bool is_token(std::string_view text) {
  for (char c : text) {
    if (!is_token_byte(c)) return false;
  }
  return !text.empty();
}

bool is_field_value(std::string_view text) {
  const char* end = text.data() + text.size();
  return find_control(text.data(), end) == end;
}

std::string_view next_list_element(std::string_view& rest) {
  size_t comma = std::min(rest.find(','), rest.size());
  std::string_view element = rest.substr(0, comma);
  rest.remove_prefix(std::min(comma + 1, rest.size()));
  return base::trim_whitespace(element);
}

}  // namespace cutwater::message
