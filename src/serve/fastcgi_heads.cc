#include "serve/fastcgi_heads.h"

#include <algorithm>

namespace cutwater::serve {

void FastcgiHeads::note(const codec::fastcgi::ServerSession& session, base::Instant now) {
  std::map<uint16_t, base::Instant> known;
  known.swap(began_);
  for (uint16_t request_id : session.unfinished_heads()) {
    const auto began = known.find(request_id);
    began_[request_id] = began == known.end() ? now : began->second;
  }
}

std::optional<base::Instant> FastcgiHeads::first() const {
  std::optional<base::Instant> first;
  for (const auto& [request_id, began] : began_) first = std::min(first.value_or(began), began);
  return first;
}

std::vector<uint16_t> FastcgiHeads::take_until(base::Instant latest) {
  std::vector<uint16_t> taken;
  for (const auto& [request_id, began] : began_) {
    if (began <= latest) taken.push_back(request_id);
  }
  for (uint16_t request_id : taken) forget(request_id);
  return taken;
}

}  // namespace cutwater::serve
