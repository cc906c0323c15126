#include "handler/worker_feed.h"

#include <algorithm>

#include "handler/app_generation.h"
#include "handler/app_request.h"

namespace cutwater::handler {

namespace {

constexpr uint32_t kMostCredit = 1U << 30;  // more says nothing: the ring is smaller

}  // namespace

size_t WorkerFeed::room() const {
  if (!wanted_ || !request_.generation) return 0;
  return std::min<size_t>(credit_, request_.generation->link().maximum_down_payload());
}

bool WorkerFeed::send(link::DownKind kind, uint32_t value, std::string_view payload, uint32_t least) {
  if (!request_.generation || !request_.generation->send(request_, kind, value, payload)) return false;
  credit_ -= std::min(credit_, std::max(static_cast<uint32_t>(payload.size()), least));
  return true;
}

void WorkerFeed::on_wanted() {
  wanted_ = true;
  wake();
}

void WorkerFeed::on_credit(uint32_t bytes) {
  wanted_ = true;
  credit_ += std::min(bytes, kMostCredit - std::min(credit_, kMostCredit));
  wake();
}

}  // namespace cutwater::handler
