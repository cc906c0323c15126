#include "codec/fastcgi/name_value.h"

#include <algorithm>
#include <span>

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

constexpr size_t length_of(size_t size) {
  return size < kLongLength ? 1 : 4;
}

// Writes into room that is there.
class Writer {
 public:
  explicit Writer(std::span<char> room) : room_(room) {}

  void length(size_t size) {
    if (size < kLongLength) return byte(size);
    byte((size >> 24 & 0x7f) | kLongLength);
    for (int shift = 16; shift >= 0; shift -= 8) byte(size >> shift);
  }
  void bytes(std::string_view text) {
    std::copy(text.begin(), text.end(), room_.first(text.size()).begin());
    room_ = room_.subspan(text.size());
  }

 private:
  void byte(size_t value) {
    room_.front() = static_cast<char>(value & 0xff);
    room_ = room_.subspan(1);
  }

  std::span<char> room_;
};

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

size_t length_of_pairs(std::span<const Variable> variables) {
  size_t length = 0;
  for (const auto& [name, value] : variables) {
    length += length_of(name.size()) + length_of(value.size()) + name.size() + value.size();
  }
  return length;
}

void append_pairs(std::string& to, std::span<const Variable> variables) {
  const size_t begin = to.size();
  to.resize(begin + length_of_pairs(variables));
  Writer writer(std::span<char>(to).subspan(begin));
  for (const auto& [name, value] : variables) {
    writer.length(name.size());
    writer.length(value.size());
    writer.bytes(name);
    writer.bytes(value);
  }
}

}  // namespace cutwater::codec::fastcgi
