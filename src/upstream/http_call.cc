#include "upstream/http_call.h"

namespace cutwater::upstream {

using codec::http1::BodyDecoder;
using codec::http1::ResponseBodyFraming;
using codec::http1::ResponseScanner;

namespace {

const PieceFraming& framing_of(const RequestBody& body) {
  return body.framing() == message::BodyFraming::kChunked ? chunk_framing() : plain_framing();
}

}  // namespace

HttpCall::HttpCall(io::Loop& loop, io::Stream& stream, std::string_view method, RequestBody& body,
                   const CallOptions& options, const UpgradeOffer& offer)
    : method_(method),
      options_(options),
      offer_(offer),
      scanner_(options.head),
      decoder_(ResponseBodyFraming::kNone, 0),
      receiver_(loop, stream, upload_, options.silence),
      upload_(loop, stream, body, framing_of(body), options.silence) {}

CallStatus HttpCall::broken(const char* why) {
  reason_ = why;
  return CallStatus::kBroken;
}

base::Task<CallStatus> HttpCall::read_head() {
  scanner_ = ResponseScanner(options_.head);
  while (true) {
    if (const auto outcome = scan_head()) co_return *outcome;
    auto receiving = receiver_.receive();
    const Receiver::Outcome received = co_await receiving;
    if (received != Receiver::Outcome::kBytes) {
      const CallStatus cause = receiver_.cause_of(received);
      if (cause != CallStatus::kFine) co_return cause;
      co_return receiver_.received_any() ? CallStatus::kCutHead : CallStatus::kNoAnswer;
    }
    rest_ = receiver_.bytes();
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
      receiver_.begin_body(parsed_.response);
      return CallStatus::kFine;
    }
    if (status == 101) return check_switch();
    if (++interim_ > kMostInterim) return broken("no end of interim answers");
    if (status != 103) continue;
    keep_rest();  // whoever passes it on waits, and the shared buffer dies then
    return CallStatus::kFine;
  }
  keep_rest();
  return std::nullopt;
}

CallStatus HttpCall::check_switch() {
  if (const char* fault = fault_of_switch(offer_, parsed_.response)) return broken(fault);
  return upload_.state() == Upload::State::kComplete ? CallStatus::kFine : broken("101 before it had the request");
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

CallPiece HttpCall::take_body() {
  CallPiece piece;
  while (true) {
    const BodyDecoder::Step step = decoder_.decode(rest_);
    rest_.remove_prefix(step.consumed);
    switch (step.outcome) {
      case BodyDecoder::Outcome::kPiece:
        piece.bytes = join_pieces(piece.bytes, step.piece);
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
    auto receiving = receiver_.receive();
    const Receiver::Outcome received = co_await receiving;
    CallPiece piece;
    if (received == Receiver::Outcome::kBytes) {
      rest_ = receiver_.bytes();
      piece = take_body();
      if (piece.bytes.empty() && !piece.complete && piece.status == CallStatus::kFine) continue;
      co_return piece;
    }
    piece.status = receiver_.cause_of(received);
    if (receiver_.too_slow()) reason_ = "sent less than 100 bytes a second of its answer to ";
    if (piece.status == CallStatus::kFine) {
      piece.complete = received == Receiver::Outcome::kEnd && decoder_.complete_at_end();  // a reset is no body's end
      if (!piece.complete) piece.status = CallStatus::kTruncated;
    }
    co_return piece;
  }
}

bool HttpCall::connection_reusable() const {
  return options_.keeps_connection && body_complete_ && parsed_.keep_alive && rest_.empty() && !receiver_.abandoned() &&
         upload_.state() == Upload::State::kComplete;
}

}  // namespace cutwater::upstream
