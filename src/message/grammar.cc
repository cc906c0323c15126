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

bool is_token_bytewise(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_token_byte);
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

template <class Word>
Word word_at(const char* at) {
  Word word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

constexpr size_t kFew = 4;  // from so many on; most names and values have no more than 16

// Of 4 to 16 bytes the first 4 or 8 and the last, which may overlap: in the lower 8, or one in each half.
__m128i ends_of(std::string_view text) {
  const char* end = text.data() + text.size();
  if (text.size() >= 8) {
    return _mm_set_epi64x(word_at<long long>(end - 8), word_at<long long>(text.data()));
  }
  const uint64_t first = word_at<uint32_t>(text.data());
  const uint64_t last = word_at<uint32_t>(end - 4);
  return _mm_set1_epi64x(static_cast<long long>(last << 32 | first));
}

const char* find_control_in_few(std::string_view text) {
  const unsigned bits = control_bits(ends_of(text));
  const char* end = text.data() + text.size();
  if (bits == 0) return end;
  const int first = std::countr_zero(bits);
  const int half = text.size() >= 8 ? 8 : 4;
  return first < half ? text.data() + first : end - half + (first - half);
}

// Letters and '-', which are all that most names have.
bool are_common(__m128i bytes) {
  const __m128i from_a = _mm_sub_epi8(_mm_or_si128(bytes, _mm_set1_epi8(0x20)), _mm_set1_epi8('a'));
  const __m128i is_letter = _mm_cmpeq_epi8(_mm_min_epu8(from_a, _mm_set1_epi8('z' - 'a')), from_a);
  const __m128i is_dash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('-'));
  return _mm_movemask_epi8(_mm_or_si128(is_letter, is_dash)) == 0xffff;
}

#endif
}  // namespace

#ifdef __SSE2__

const char* find_control(const char* begin, const char* end) {
  const auto length = static_cast<size_t>(end - begin);
  if (length < kFew) return find_control_bytewise(begin, end);
  if (length < 16) return find_control_in_few({begin, length});
  for (; end - begin >= 16; begin += 16) {
    if (unsigned bits = control_bits(begin)) return begin + std::countr_zero(bits);
  }
  // The rest once more with what lies before it, where there is none.
  unsigned bits = begin == end ? 0 : control_bits(end - 16);
  return bits == 0 ? end : end - 16 + std::countr_zero(bits);
}

bool is_token(std::string_view text) {
  const bool is_few = text.size() >= kFew && text.size() <= 16;
  return (is_few && are_common(ends_of(text))) || is_token_bytewise(text);
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

bool is_token(std::string_view text) {
  return is_token_bytewise(text);
}

#endif

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
