#include "serve/streamed_body.h"

#include <algorithm>
#include <utility>

#include "serve/body_pace.h"

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
  bool await_ready() const noexcept { return body_.has_piece() || (body_.ended_ && body_.waits_for_peer()); }
  void await_suspend(std::coroutine_handle<> reader) {
    body_.reader_ = reader;
    if (!body_.held_up_ && body_.waits_for_peer()) body_.start_clock();
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
  if (arrived_.empty() && !(overflow_ && overflow_->readable())) return false;
  return ended_ || left_ != uint64_t{0};
}

bool StreamedBody::full() const {
  if (left_ == uint64_t{0} && !ended_) return false;
  return overflow_ ? overflow_->full() : arrived_.size() > kFull;
}

base::Task<BodyPiece> StreamedBody::read() {
  Arrival arrival(*this);
  co_await arrival;
  if (!has_piece()) co_return BodyPiece{*ended_, {}};
  const bool was_full = full();
  if (arrived_.empty()) {
    auto taking = overflow_->take();
    handed_out_ = co_await taking;
    if (handed_out_.empty()) end_with(BodyStatus::kDisconnected);
    if (ended_ && *ended_ != BodyStatus::kEnd) co_return BodyPiece{*ended_, {}};
  } else {
    handed_out_.clear();
    std::swap(handed_out_, arrived_);
  }
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
  if (overflow_ && (overflow_->unread() > 0 || arrived_.size() + piece.size() > kFull)) {
    overflow_->add(piece);
  } else {
    arrived_ += piece;
  }
  if (has_piece()) wake();
}

bool StreamedBody::spill_to(BodySpool& spool) {
  if (overflow_) return false;
  overflow_ = std::make_unique<BodyOverflow>(spool, [this] {
    if (has_piece()) wake();
    feeder_.on_body_taken();
  });
  return true;
}

void StreamedBody::set_held_up(bool held_up) {
  if (std::exchange(held_up_, held_up) == held_up || !reader_) return;
  if (held_up) {
    stop_clock();
  } else if (waits_for_peer()) {
    start_clock();
  }
}

void StreamedBody::start_clock() {
  waits_since_ = loop_.now();
  slow_.set(deadline());
}

void StreamedBody::stop_clock() {
  if (slow_.armed()) waited_ += loop_.now() - waits_since_;
  slow_.cancel();
}

void StreamedBody::end() {
  end_with(left_.value_or(0) == 0 ? BodyStatus::kEnd : BodyStatus::kMalformed);
}

void StreamedBody::break_off() {
  end_with(BodyStatus::kDisconnected);
}

void StreamedBody::spoil() {
  end_with(BodyStatus::kMalformed);
}

void StreamedBody::end_with(BodyStatus status) {
  if (ended_) return;
  ended_ = status;
  if (status != BodyStatus::kEnd) arrived_.clear();
  if (status != BodyStatus::kEnd && overflow_) overflow_->drop();
  wake();
}

void StreamedBody::wake() {
  if (!reader_) return;
  stop_clock();
  std::exchange(reader_, nullptr).resume();
}

base::Instant StreamedBody::deadline() const {
  return loop_.now() + patience_with_body(options_, received_, waited_);
}

}  // namespace cutwater::serve
