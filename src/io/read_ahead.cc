#include "io/read_ahead.h"

#include <algorithm>
#include <utility>

namespace cutwater::io {

void ReadAhead::put(const IoResult& result, std::span<const char> place) {
  if (result.status == IoStatus::kDone) {
    bytes_ = place.first(result.count);
  } else if (result.status != IoStatus::kWouldBlock) {
    has_end_ = true;
    error_ = result.error;
  }
}

IoResult ReadAhead::take(std::span<char> into) {
  if (bytes_.empty()) {
    has_end_ = false;
    return {error_ == 0 ? IoStatus::kEndOfStream : IoStatus::kFailed, 0, error_};
  }
  const size_t count = std::min(bytes_.size(), into.size());
  std::copy_n(bytes_.begin(), count, into.begin());
  bytes_ = bytes_.subspan(count);
  if (bytes_.empty()) kept_.reset();
  return {IoStatus::kDone, count, 0};
}

void ReadAhead::keep() {
  if (bytes_.empty() || kept_) return;
  kept_ = std::make_unique_for_overwrite<char[]>(bytes_.size());
  std::copy(bytes_.begin(), bytes_.end(), kept_.get());
  bytes_ = {kept_.get(), bytes_.size()};
}

}  // namespace cutwater::io
