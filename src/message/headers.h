// Header fields in order of arrival, as views into storage that outlives them (the exchange's head storage, a
// shared-memory slot, a literal). RFC 9110 section 5.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

namespace cutwater::message {

struct HeaderField {
  std::string_view name;   // as received; compare ignoring ASCII case
  std::string_view value;  // without surrounding whitespace
};

class Headers {
 public:
  void add(std::string_view name, std::string_view value) {
    if (fields_.capacity() == 0) fields_.reserve(kUsualNumber);
    fields_.push_back({name, value});
  }
  void reserve(size_t number) { fields_.reserve(number); }
  // The first field of that name (case ignored).
  std::optional<std::string_view> get(std::string_view name) const;
  size_t count(std::string_view name) const;
  void remove_all(std::string_view name);
  void clear() { fields_.clear(); }  // keeps its memory

  size_t size() const { return fields_.size(); }
  bool empty() const { return fields_.empty(); }
  auto begin() const { return fields_.begin(); }
  auto end() const { return fields_.end(); }
  auto begin() { return fields_.begin(); }
  auto end() { return fields_.end(); }

 private:
  static constexpr size_t kUsualNumber = 8;

  std::vector<HeaderField> fields_;
};

}  // namespace cutwater::message
