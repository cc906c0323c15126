#include "codec/fastcgi/name_value.h"

#include "base/byte_reader.h"

namespace cutwater::codec::fastcgi {
namespace {

constexpr uint32_t kLongLength = 0x80;

// At most 2^31 - 1; two of them do not overflow what follows, as each is held against the bytes that are there.
uint32_t read_length(base::ByteReader& reader) {
  const uint32_t first = reader.integer<uint8_t>();
  if ((first & kLongLength) == 0) return first;
  uint32_t length = first & ~kLongLength;
  for (int byte = 0; byte < 3; ++byte) length = length << 8 | reader.integer<uint8_t>();
  return length;
}

void append_length(std::string& to, size_t length) {
  if (length < kLongLength) {
    to += static_cast<char>(length);
    return;
  }
  to += static_cast<char>((length >> 24 & 0x7f) | kLongLength);
  for (int shift = 16; shift >= 0; shift -= 8) to += static_cast<char>(length >> shift & 0xff);
}

}  // namespace

bool read_pairs(std::string_view bytes, size_t most, Variables& variables) {
  base::ByteReader reader(bytes);
  while (!reader.rest().empty()) {
    const uint32_t name_length = read_length(reader);
    const uint32_t value_length = read_length(reader);
    const std::string_view name = reader.bytes(name_length);
    const std::string_view value = reader.bytes(value_length);
    if (reader.failed() || variables.size() >= most) return false;
    variables.push_back({name, value});
  }
  return true;
}

size_t pair_length(std::string_view name, std::string_view value) {
  constexpr size_t kShort = 1;
  constexpr size_t kLong = 4;
  const auto with_length = [](size_t size) { return (size < kLongLength ? kShort : kLong) + size; };
  return with_length(name.size()) + with_length(value.size());
}

void append_pair(std::string& to, std::string_view name, std::string_view value) {
  append_length(to, name.size());
  append_length(to, value.size());
  to += name;
  to += value;
}

}  // namespace cutwater::codec::fastcgi
