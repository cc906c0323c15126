#include "upstream/request_body.h"

#include <utility>

namespace cutwater::upstream {

using message::BodyFraming;
using message::BodyPiece;
using message::BodyStatus;

RequestBody::RequestBody(message::BodySource& source, BodyFraming framing, uint64_t length)
    : RequestBody(source, framing, length, nullptr) {}

RequestBody::RequestBody(message::BodySource& source, BodyFraming framing, uint64_t length, CollectedSource* collected)
    : source_(source),
      collected_(collected),
      framing_(framing),
      length_(framing == BodyFraming::kLength ? length : 0),
      ended_(framing_ != BodyFraming::kChunked && length_ == 0) {}

base::Task<BodyStatus> RequestBody::collect() {
  while (!ended_ && !dropped_) {
    next_ = kept_.size();
    auto reading = next();
    co_await reading;
  }
  rewind();
  co_return end_;
}

void RequestBody::rewind() {
  next_ = 0;
  if (!collected_ || is_small()) return;
  collected_->rewind();
  received_ = 0;
  ended_ = false;
}

std::string_view RequestBody::take_kept() {
  return std::string_view(kept_).substr(std::exchange(next_, kept_.size()));
}

base::Task<BodyPiece> RequestBody::next() {
  if (next_ < kept_.size()) co_return BodyPiece{BodyStatus::kPiece, take_kept()};
  if (ended_) co_return BodyPiece{end_, {}};
  auto reading = source_.read();
  const BodyPiece piece = co_await reading;
  if (piece.status != BodyStatus::kPiece) {
    ended_ = true;
    end_ = piece.status;
    co_return piece;
  }
  received_ += piece.bytes.size();
  ended_ = framing_ == BodyFraming::kLength && received_ == length_;
  if (collected_ && !is_small()) co_return piece;
  if (!dropped_ && kept_.size() + piece.bytes.size() <= kMostKept) {
    kept_.append(piece.bytes);
    next_ = kept_.size();
    co_return piece;
  }
  dropped_ = true;
  std::string().swap(kept_);
  next_ = 0;
  co_return piece;
}

}  // namespace cutwater::upstream
