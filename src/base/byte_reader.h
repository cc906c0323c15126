// ByteReader: the only way binary fields are taken out of bytes that somebody else wrote. Little-endian, since
// both ends are this machine. Once a read went past the end it stays failed and every read gives zero or empty.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace cutwater::base {

class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : rest_(bytes) {}

  template <class Integer>
  Integer integer() {
    Integer value{};
    std::string_view raw = bytes(sizeof value);
    if (raw.size() == sizeof value) std::memcpy(&value, raw.data(), sizeof value);
    return value;
  }
  std::string_view bytes(size_t count) {
    if (failed_ || count > rest_.size()) {
      failed_ = true;
      return {};
    }
    std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }
  std::string_view rest() const { return rest_; }
  bool failed() const { return failed_; }

 private:
  std::string_view rest_;
  bool failed_ = false;
};

// ByteWriter: fills a fixed span; once full it stays failed, so callers check one time at the end.
class ByteWriter {
 public:
  explicit ByteWriter(std::span<char> room) : room_(room) {}

  template <class Integer>
  void integer(Integer value) {
    if (char* to = take(sizeof value)) std::memcpy(to, &value, sizeof value);
  }
  void bytes(std::string_view source) {
    char* to = take(source.size());
    if (to && !source.empty()) std::memcpy(to, source.data(), source.size());
  }
  size_t used() const { return used_; }
  bool failed() const { return failed_; }

 private:
  // nullptr: no room for so many.
  char* take(size_t count) {
    if (failed_ || count > room_.size() - used_) {
      failed_ = true;
      return nullptr;
    }
    char* to = room_.data() + used_;
    used_ += count;
    return to;
  }

  std::span<char> room_;
  size_t used_ = 0;
  bool failed_ = false;
};

}  // namespace cutwater::base
