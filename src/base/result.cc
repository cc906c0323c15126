#include "base/result.h"

#include <cstring>

namespace cutwater::base {

Error system_error(std::string_view what, int error) {
  char buffer[128];
  const char* reason = strerror_r(error, buffer, sizeof buffer);
  return Error{std::string(what) + ": " + reason, error};
}

}  // namespace cutwater::base
