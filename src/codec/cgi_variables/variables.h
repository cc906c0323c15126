// CGI variables as the gateway protocols carry them: names and values in order of arrival, as views into bytes
// that outlive them.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace cutwater::codec {

struct Variable {
  std::string_view name;
  std::string_view value;
};
using Variables = std::vector<Variable>;

struct VariableLimits {
  size_t bytes = 64 * 1024;  // of all names, values and their framing
  size_t count = 256;
};

}  // namespace cutwater::codec
