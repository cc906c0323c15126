#include "message/request.h"

#include <utility>

namespace cutwater::message {

void Request::clear() {
  Headers kept_headers = std::move(headers);
  Headers kept_variables = std::move(variables);
  kept_headers.clear();
  kept_variables.clear();
  *this = Request{};
  headers = std::move(kept_headers);
  variables = std::move(kept_variables);
}

}  // namespace cutwater::message
