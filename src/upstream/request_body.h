// RequestBody: a request's body as it is sent to a peer, and sent again to the next one: what was read of it is kept as
// long as it is small, or read again where it was collected.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/task.h"
#include "message/exchange.h"
#include "message/request.h"

namespace cutwater::upstream {

// A body that is here whole and can be read again.
class CollectedSource : public message::BodySource {
 public:
  // To its beginning. No read is running.
  virtual void rewind() = 0;
};

class RequestBody {
 public:
  static constexpr size_t kMostKept = 64 * 1024;

  // Both outlive the body.
  RequestBody(message::BodySource& source, const message::Request& request)
      : RequestBody(source, request.framing, request.content_length) {}
  // The source outlives the body. `length` counts with kLength alone.
  RequestBody(message::BodySource& source, message::BodyFraming framing, uint64_t length);
  // Likewise; all of it can be sent again, whatever its length.
  RequestBody(CollectedSource& source, uint64_t length)
      : RequestBody(source, message::BodyFraming::kLength, length, &source) {}

  // Reads a small body of known length whole, so that no peer waits for a slow client. kEnd, or what went wrong.
  base::Task<message::BodyStatus> collect();
  bool is_small() const { return framing_ != message::BodyFraming::kChunked && length_ <= kMostKept; }

  message::BodyFraming framing() const { return framing_; }
  uint64_t length() const { return length_; }  // with kLength

  // Everything read so far can be had again.
  bool replayable() const { return !dropped_; }
  // It will be, however much is read.
  bool stays_replayable() const { return is_small() || collected_; }
  void rewind();
  // From the beginning, or from the last rewind(). kPiece's bytes live until the next co_await of anything.
  base::Task<message::BodyPiece> next();
  // The next piece, or the end, is known without waiting for the client.
  bool has_next() const { return next_ < kept_.size() || ended_ || collected_; }
  // What next() would give of it, at once; until the body changes.
  std::string_view take_kept();
  bool complete() const { return ended_ && end_ == message::BodyStatus::kEnd && next_ == kept_.size(); }

 private:
  RequestBody(message::BodySource& source, message::BodyFraming framing, uint64_t length, CollectedSource* collected);

  message::BodySource& source_;
  CollectedSource* collected_;  // source_, or nullptr
  message::BodyFraming framing_;
  uint64_t length_;
  std::string kept_;
  uint64_t received_ = 0;  // from the source
  size_t next_ = 0;        // of kept_
  bool dropped_ = false;   // more than kMostKept was read
  bool ended_ = false;
  message::BodyStatus end_ = message::BodyStatus::kEnd;
};

}  // namespace cutwater::upstream
