#include "serve/body_source.h"

#include <algorithm>
#include <cstring>

#include "serve/body_pace.h"

namespace cutwater::serve {

using codec::http1::BodyDecoder;
using message::BodyFraming;
using message::BodyPiece;
using message::BodyStatus;

namespace {

constexpr size_t kGather = 16 * 1024;
constexpr int kReadsPerTurn = 8;  // of full buffers: a fast client must not hold the loop

BodyStatus status_of(BodyDecoder::Outcome outcome) {
  switch (outcome) {
    case BodyDecoder::Outcome::kEnd:
      return BodyStatus::kEnd;
    case BodyDecoder::Outcome::kTooLarge:
      return BodyStatus::kTooLarge;
    default:
      return BodyStatus::kMalformed;
  }
}

// Small chunks become one piece: the later one moves down over the framing between them, in the receive
// buffer, which is ours to write and consumed up to there.
std::string_view join(std::string_view gathered, std::string_view piece) {
  if (gathered.empty()) return piece;
  std::memmove(const_cast<char*>(gathered.data()) + gathered.size(), piece.data(), piece.size());
  return {gathered.data(), gathered.size() + piece.size()};
}

}  // namespace

RequestBody::RequestBody(io::Loop& loop, io::Stream& stream, ConnectionInput& input, const ServeOptions& options,
                         ContinueSender& sender)
    : loop_(loop),
      stream_(stream),
      input_(input),
      options_(options),
      sender_(sender),
      decoder_(BodyFraming::kNone, 0, options.body_limit) {}

void RequestBody::begin(const message::Request& request) {
  if (request.framing == BodyFraming::kNone) return;
  if (request.framing == BodyFraming::kLength && request.content_length == 0) return;
  framing_ = request.framing;
  decoder_ = BodyDecoder(request.framing, request.content_length, options_.body_limit);
  expects_continue_ = request.expects_continue;
  ended_.reset();
}

base::Task<BodyPiece> RequestBody::read() {
  if (tunnel_) {
    auto reading = read_tunnel();
    co_return co_await reading;
  }
  while (true) {
    if (auto piece = take_piece()) co_return *piece;
    if (client_waits() && may_send_continue_) {
      may_send_continue_ = false;
      expects_continue_ = false;
      sender_.send_continue();
    }
    // What filled the buffer has more behind it: ask before waiting a turn for the answer, but not for ever.
    if (!input_.more_likely() || ++reads_this_turn_ == kReadsPerTurn) {
      reads_this_turn_ = 0;
      const base::Instant until = deadline();
      auto waiting = wait(until);
      const bool came = co_await waiting;
      if (!came) {
        refused_ = "the request body came too slowly";
        co_return end_with(BodyStatus::kTimedOut);
      }
    }
    const io::IoResult result = input_.receive(stream_);
    if (result.status == io::IoStatus::kEndOfStream || result.status == io::IoStatus::kFailed) {
      co_return end_with(BodyStatus::kDisconnected);
    }
  }
}

// What came right behind the request's head is in the input already.
base::Task<BodyPiece> RequestBody::read_tunnel() {
  while (!ended_ && input_.empty()) {
    co_await stream_.readable(base::kNever);
    const io::IoStatus received = input_.receive(stream_).status;
    if (received == io::IoStatus::kEndOfStream) ended_ = BodyStatus::kEnd;
    if (received == io::IoStatus::kFailed) ended_ = BodyStatus::kDisconnected;
  }
  if (ended_) co_return BodyPiece{*ended_, {}};
  const std::string_view bytes = input_.bytes();
  input_.consume(bytes.size());
  co_return BodyPiece{BodyStatus::kPiece, bytes};
}

std::optional<BodyPiece> RequestBody::take_piece() {
  if (ended_) return BodyPiece{*ended_, {}};
  std::string_view gathered;
  while (gathered.size() < kGather) {
    received_any_ = received_any_ || !input_.empty();
    const BodyDecoder::Step step = decoder_.decode(input_.bytes());
    input_.consume(step.consumed);
    received_ += step.consumed;
    if (step.outcome == BodyDecoder::Outcome::kPiece) {
      gathered = join(gathered, step.piece);
      // A handler that knows the length stops reading here: the end must be known without another read.
      if (framing_ == BodyFraming::kLength && decoder_.remaining() == 0) ended_ = BodyStatus::kEnd;
      if (ended_) break;
      continue;
    }
    if (step.outcome != BodyDecoder::Outcome::kNeedMore) {
      ended_ = status_of(step.outcome);
      if (failed()) refused_ = step.reason;
    }
    break;
  }
  if (!gathered.empty()) return BodyPiece{BodyStatus::kPiece, gathered};
  if (ended_) return BodyPiece{*ended_, {}};
  return std::nullopt;
}

BodyPiece RequestBody::end_with(BodyStatus status) {
  ended_ = status;
  return {status, {}};
}

base::Instant RequestBody::deadline() const {
  return loop_.now() + patience_with_body(options_, received_, waited_);
}

base::Task<bool> RequestBody::wait(base::Instant until) {
  const base::Instant began = loop_.now();
  const io::WaitResult result = co_await stream_.readable(until);
  waited_ += loop_.now() - began;
  co_return result == io::WaitResult::kReady;
}

uint64_t RequestBody::known_remaining() const {
  if (ended_ || framing_ != BodyFraming::kLength) return 0;
  return decoder_.remaining();
}

base::Task<bool> RequestBody::drain(uint64_t most, base::Instant deadline) {
  uint64_t drained = 0;
  while (true) {
    if (auto piece = take_piece()) {
      if (piece->status != BodyStatus::kPiece) co_return piece->status == BodyStatus::kEnd;
      drained += piece->bytes.size();
      if (drained > most) co_return false;
      continue;
    }
    if (co_await stream_.readable(deadline) == io::WaitResult::kTimedOut) co_return false;
    const io::IoResult result = input_.receive(stream_);
    if (result.status == io::IoStatus::kEndOfStream || result.status == io::IoStatus::kFailed) co_return false;
  }
}

}  // namespace cutwater::serve
