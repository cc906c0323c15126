#include "upstream/http_call.h"

#include <sys/socket.h>

#include <algorithm>
#include <cstring>

namespace cutwater::upstream {

using codec::http1::BodyDecoder;
using codec::http1::ResponseBodyFraming;
using codec::http1::ResponseScanner;

namespace {

constexpr unsigned kReadsPerTurn = 8;  // of full buffers: a fast peer must not hold the loop

// Small chunks become one piece: the later one moves down over the framing between them, in memory that is ours to
// write and used up to there.
std::string_view join(std::string_view gathered, std::string_view piece) {
  if (gathered.empty()) return piece;
  std::memmove(const_cast<char*>(gathered.data()) + gathered.size(), piece.data(), piece.size());
  return {gathered.data(), gathered.size() + piece.size()};
}

}  // namespace

HttpCall::HttpCall(io::Loop& loop, io::Stream& stream, std::string_view method, RequestBody& body,
                   const CallOptions& options)
    : loop_(loop),
      stream_(stream),
      method_(method),
      options_(options),
      scanner_(options.head),
      decoder_(ResponseBodyFraming::kNone, 0),
      upload_(loop, stream, body, options.silence) {}

void HttpCall::abandon() {
  abandoned_ = true;
  ::shutdown(stream_.descriptor(), SHUT_RDWR);
}

message::BodyStatus HttpCall::client_failure() const {
  return abandoned_ ? message::BodyStatus::kDisconnected : upload_.client_failure();
}

CallStatus HttpCall::broken(const char* why) {
  reason_ = why;
  return CallStatus::kBroken;
}

base::Task<CallStatus> HttpCall::read_head() {
  scanner_ = ResponseScanner(options_.head);
  while (true) {
    if (const auto outcome = scan_head()) co_return *outcome;
    auto receiving = receive();
    const Received received = co_await receiving;
    if (received != Received::kBytes) {
      const CallStatus cause = cause_of(received);
      if (cause != CallStatus::kFine) co_return cause;
      co_return received_any_ ? broken("the connection ended within the head") : CallStatus::kNoAnswer;
    }
    received_any_ = true;
    if (kept_.empty()) continue;
    kept_.append(rest_);
    rest_ = kept_;
  }
}

// nullopt: more is needed; what there is was put into kept_.
std::optional<CallStatus> HttpCall::scan_head() {
  while (!rest_.empty()) {
    const ResponseScanner::Outcome outcome = scanner_.scan(rest_);
    if (outcome == ResponseScanner::Outcome::kRefused) return broken(scanner_.reason);
    if (outcome == ResponseScanner::Outcome::kIncomplete) break;
    head_.assign(rest_.substr(0, scanner_.head_length));
    rest_.remove_prefix(scanner_.head_length);
    scanner_ = ResponseScanner(options_.head);
    if (const char* error = codec::http1::parse_response_head(head_, method_, options_.head, parsed_)) {
      return broken(error);
    }
    const uint16_t status = parsed_.response.status;
    if (status >= 200) {
      decoder_ = codec::http1::ResponseBodyDecoder(parsed_.framing, parsed_.content_length);
      return CallStatus::kFine;
    }
    if (status == 101) return broken("101 Switching Protocols, which was not asked for");
    if (++interim_ > kMostInterim) return broken("no end of interim answers");
    if (status != 103) continue;
    keep_rest();  // whoever passes it on waits, and the shared buffer dies then
    return CallStatus::kFine;
  }
  keep_rest();
  return std::nullopt;
}

// A head that comes byte by byte is in kept_ already and starts at its beginning: nothing is copied twice.
void HttpCall::keep_rest() {
  const bool kept_already = rest_.data() >= kept_.data() && rest_.data() < kept_.data() + kept_.size();
  if (kept_already) {
    kept_.erase(0, static_cast<size_t>(rest_.data() - kept_.data()));
  } else {
    kept_.assign(rest_);
  }
  rest_ = kept_;
}

// When no bytes came: for a cause that has nothing to do with where in the answer that was, else kFine.
CallStatus HttpCall::cause_of(Received received) const {
  if (abandoned_ || upload_.state() == Upload::State::kClientFailed) return CallStatus::kClientFailed;
  if (received == Received::kTimedOut || upload_.state() == Upload::State::kPeerTooSlow) return CallStatus::kTimedOut;
  return CallStatus::kFine;
}

base::Task<HttpCall::Received> HttpCall::receive() {
  while (true) {
    if (!more_likely_ || ++reads_this_turn_ == kReadsPerTurn) {
      reads_this_turn_ = 0;
      auto waiting = wait_for_bytes();
      if (!co_await waiting) co_return Received::kTimedOut;
    }
    const std::span<char> buffer = io::shared_read_buffer();
    const io::IoResult result = stream_.read(buffer);
    more_likely_ = result.status == io::IoStatus::kDone && result.count == buffer.size();
    if (result.status == io::IoStatus::kWouldBlock) continue;
    if (result.status == io::IoStatus::kDone) {
      rest_ = {buffer.data(), result.count};
      co_return Received::kBytes;
    }
    co_return result.status == io::IoStatus::kFailed ? Received::kReset : Received::kEnd;
  }
}

// A peer is silent only while it has what it needs: a client that is slow in sending does not count against it.
base::Task<bool> HttpCall::wait_for_bytes() {
  base::Instant quiet_since = loop_.now();
  while (true) {
    const base::Instant deadline = quiet_since + options_.silence;
    if (co_await stream_.readable(deadline) == io::WaitResult::kReady) co_return true;
    const bool running = upload_.state() == Upload::State::kRunning;
    quiet_since = running && upload_.waits_for_client() ? loop_.now() : upload_.last_progress();
    if (loop_.now() >= quiet_since + options_.silence) co_return false;
  }
}

CallPiece HttpCall::take_body() {
  CallPiece piece;
  while (true) {
    const BodyDecoder::Step step = decoder_.decode(rest_);
    rest_.remove_prefix(step.consumed);
    switch (step.outcome) {
      case BodyDecoder::Outcome::kPiece:
        piece.bytes = join(piece.bytes, step.piece);
        body_complete_ = decoder_.finished();
        if (!body_complete_) continue;
        [[fallthrough]];
      case BodyDecoder::Outcome::kEnd:
        body_complete_ = piece.complete = true;
        return piece;
      case BodyDecoder::Outcome::kNeedMore:
        return piece;
      default:
        reason_ = step.reason;
        piece.status = CallStatus::kBroken;
        return piece;
    }
  }
}

base::Task<CallPiece> HttpCall::read_body() {
  while (true) {
    auto receiving = receive();
    const Received received = co_await receiving;
    CallPiece piece;
    if (received == Received::kBytes) {
      piece = take_body();
      if (piece.bytes.empty() && !piece.complete && piece.status == CallStatus::kFine) continue;
      co_return piece;
    }
    piece.status = cause_of(received);
    if (piece.status == CallStatus::kFine) {
      piece.complete = received == Received::kEnd && decoder_.complete_at_end();  // a reset is no body's end
      if (!piece.complete) piece.status = CallStatus::kTruncated;
    }
    co_return piece;
  }
}

bool HttpCall::connection_reusable() const {
  return body_complete_ && parsed_.keep_alive && rest_.empty() && !abandoned_ &&
         upload_.state() == Upload::State::kComplete;
}

}  // namespace cutwater::upstream
