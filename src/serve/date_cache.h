// The Date field's text, made once a second.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace cutwater::serve {

class DateCache {
 public:
  // Valid until the next call.
  std::string_view now();

 private:
  int64_t second_ = -1;
  std::string text_;
};

}  // namespace cutwater::serve
