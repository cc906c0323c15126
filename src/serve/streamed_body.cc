#include "serve/streamed_body.h"

#include <algorithm>
#include <utility>

namespace cutwater::serve {

using message::BodyPiece;
using message::BodyStatus;

// Forgotten by the body when its coroutine is cancelled.
class StreamedBody::Arrival {
 public:
  explicit Arrival(StreamedBody& body) : body_(body) {}
  Arrival(const Arrival&) = delete;
  Arrival& operator=(const Arrival&) = delete;
  ~Arrival() {
    body_.reader_ = nullptr;
    body_.slow_.cancel();
  }
  bool await_ready() const noexcept { return body_.has_piece() || body_.ended_; }
  void await_suspend(std::coroutine_handle<> reader) {
    body_.reader_ = reader;
    body_.waits_since_ = body_.loop_.now();
    body_.slow_.set(body_.deadline());
  }
  void await_resume() const noexcept {}

 private:
  StreamedBody& body_;
};

StreamedBody::StreamedBody(io::Loop& loop, const ServeOptions& options, BodyFeeder& feeder)
    : loop_(loop),
      options_(options),
      feeder_(feeder),
      slow_(loop.timers(), [this] { end_with(BodyStatus::kTimedOut); }) {}

// The last piece of an announced body waits for the end: more may come behind it, and then there was no such request.
bool StreamedBody::has_piece() const {
  return !arrived_.empty() && (ended_ || left_ != uint64_t{0});
}

base::Task<BodyPiece> StreamedBody::read() {
  Arrival arrival(*this);
  co_await arrival;
  if (arrived_.empty()) co_return BodyPiece{*ended_, {}};
  const bool was_full = full();
  handed_out_.clear();
  std::swap(handed_out_, arrived_);
  if (was_full) feeder_.on_body_taken();
  co_return BodyPiece{BodyStatus::kPiece, handed_out_};
}

base::Task<BodyStatus> StreamedBody::read_end() {
  auto reading = read();
  const BodyPiece piece = co_await reading;
  co_return piece.status == BodyStatus::kPiece ? BodyStatus::kMalformed : piece.status;
}

void StreamedBody::feed(std::string_view piece) {
  if (ended_) return;
  if (left_ && piece.size() > *left_) return end_with(BodyStatus::kMalformed);
  if (left_) *left_ -= piece.size();
  received_ += piece.size();
  if (received_ > options_.body_limit) return end_with(BodyStatus::kTooLarge);
  arrived_ += piece;
  if (has_piece()) wake();
}

void StreamedBody::end() {
  end_with(left_.value_or(0) == 0 ? BodyStatus::kEnd : BodyStatus::kMalformed);
}

void StreamedBody::break_off() {
  end_with(BodyStatus::kDisconnected);
}

void StreamedBody::end_with(BodyStatus status) {
  if (ended_) return;
  ended_ = status;
  if (status != BodyStatus::kEnd) arrived_.clear();
  wake();
}

void StreamedBody::wake() {
  if (!reader_) return;
  waited_ += loop_.now() - waits_since_;
  slow_.cancel();
  std::exchange(reader_, nullptr).resume();
}

// As RequestBody has it (faults.md 70).
base::Instant StreamedBody::deadline() const {
  const auto rate = static_cast<double>(std::max<uint64_t>(options_.body_min_rate, 1));
  const double seconds = std::min(static_cast<double>(received_) / rate, 1e9);
  const auto earned = std::chrono::duration_cast<base::Duration>(std::chrono::duration<double>(seconds));
  const base::Duration left = options_.body_grace + earned - waited_;
  return loop_.now() + std::clamp(left, base::Duration(0), options_.body_grace);
}

}  // namespace cutwater::serve
