#include "message/request.h"

#include <utility>

namespace cutwater::message {

void Request::clear() {
  Headers kept = std::move(headers);
  kept.clear();
  *this = Request{};
  headers = std::move(kept);
}

}  // namespace cutwater::message
