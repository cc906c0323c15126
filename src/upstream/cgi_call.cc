#include "upstream/cgi_call.h"

#include <algorithm>
#include <utility>

namespace cutwater::upstream {

using codec::CgiHeadScanner;

namespace {

// Programs end an answer in the same breath; some go on working behind it.
constexpr base::Duration kEndFollows = std::chrono::milliseconds(100);

}  // namespace

CgiCall::CgiCall(io::Loop& loop, io::Stream& stream, std::string_view method, RequestBody& body,
                 const PieceFraming& framing, const CallOptions& options)
    : loop_(loop),
      method_(method),
      options_(options),
      scanner_(options.head),
      receiver_(loop, stream, upload_, options.silence),
      upload_(loop, stream, body, framing, options.silence) {}

CallStatus CgiCall::broken(const char* why) {
  reason_ = why;
  return CallStatus::kBroken;
}

CgiCall::Output CgiCall::take_output(std::string_view& bytes) {
  if (bytes.empty()) return {};
  return {Output::kPiece, std::exchange(bytes, {})};
}

base::Task<CallStatus> CgiCall::read_head() {
  while (true) {
    if (const auto outcome = scan_head()) co_return *outcome;
    auto receiving = receiver_.receive();
    const Receiver::Outcome received = co_await receiving;
    if (received != Receiver::Outcome::kBytes) co_return no_head(received);
    rest_ = receiver_.bytes();
  }
}

CallStatus CgiCall::no_head(Receiver::Outcome received) {
  const CallStatus cause = receiver_.cause_of(received);
  if (cause != CallStatus::kFine) return cause;
  return receiver_.received_any() ? CallStatus::kCutHead : CallStatus::kNoAnswer;
}

// nullopt: more is needed, and all of rest_ was used.
std::optional<CallStatus> CgiCall::scan_head() {
  while (true) {
    const Output output = take_output(rest_);
    if (output.kind == Output::kNeedMore) return std::nullopt;
    if (output.kind == Output::kFailed) return output.failure;
    if (output.kind == Output::kEnd) {
      return broken(head_.empty() ? "an end without an answer" : "the answer ended within the head");
    }
    const bool in_pieces = !head_.empty();
    if (in_pieces) head_.append(output.piece);
    const std::string_view bytes = in_pieces ? std::string_view(head_) : output.piece;
    const CgiHeadScanner::Outcome outcome = scanner_.scan(bytes);
    if (outcome == CgiHeadScanner::Outcome::kRefused) return broken(scanner_.reason);
    if (outcome == CgiHeadScanner::Outcome::kComplete) return finish_head(bytes);
    if (!in_pieces) head_.assign(output.piece);
  }
}

CallStatus CgiCall::finish_head(std::string_view bytes) {
  first_ = bytes.substr(scanner_.head_length);
  if (head_.empty()) head_.assign(bytes.substr(0, scanner_.head_length));
  const std::string_view head = std::string_view(head_).substr(0, scanner_.head_length);
  if (options_.authorizes && head.find(':') == std::string_view::npos) return broken("a head without a field");
  if (const char* error = codec::parse_cgi_head(head, options_.head, parsed_)) return broken(error);
  left_ = parsed_.response.content_length.value_or(UINT64_MAX);
  receiver_.begin_body(parsed_.response);
  return CallStatus::kFine;
}

std::string_view CgiCall::within_length(std::string_view piece) {
  const std::string_view taken = piece.substr(0, std::min<uint64_t>(left_, piece.size()));
  if (piece.find_first_not_of(kTemplateSpace, taken.size()) != std::string_view::npos) {
    excess_ = Excess::kMore;
  } else if (taken.size() < piece.size() && excess_ == Excess::kNone) {
    excess_ = Excess::kSpace;
  }
  if (parsed_.response.content_length) left_ -= taken.size();
  return taken;
}

CallPiece CgiCall::end_body(CallPiece piece) {
  if (!has_all_announced() && parsed_.response.content_length) {
    piece.status = CallStatus::kTruncated;
    return piece;
  }
  if (holding_) piece.bytes = release();
  body_complete_ = piece.complete = true;
  return piece;
}

// A client that has all of an answer could not be told any more that it broke off (faults.md 110).
void CgiCall::hold_back(CallPiece& piece) {
  if (held_until_ == base::kNever) {
    held_until_ = loop_.now() + std::min(kEndFollows, options_.silence / 2);
    holding_ = true;
  }
  piece.only_end_missing = !holding_;
  if (!holding_) return;
  held_.append(std::exchange(piece.bytes, {}));
  piece.awaits_end = loop_.now() < held_until_;
  piece.only_end_missing = !piece.awaits_end;
  if (!piece.awaits_end) piece.bytes = release();
}

// To a HEAD, or with such a status. Nobody waits for what comes of one all the same; it is dropped (faults.md 116).
bool CgiCall::has_no_body() const {
  return (method_ == "HEAD" && !options_.authorizes) || !message::status_allows_body(parsed_.response.status);
}

std::string_view CgiCall::release() {
  holding_ = false;
  return held_;
}

CallPiece CgiCall::take_body() {
  CallPiece piece;
  const bool none = has_no_body();
  const bool apart = first_.data() >= head_.data() && first_.data() < head_.data() + head_.size();
  piece.bytes = within_length(std::exchange(first_, {}));
  if (apart) joined_.assign(piece.bytes);
  Output output = take_output(rest_);
  for (; output.kind == Output::kPiece; output = take_output(rest_)) {
    const std::string_view more = within_length(output.piece);
    if (apart) {
      joined_.append(more);
    } else {
      piece.bytes = join_pieces(piece.bytes, more);
    }
  }
  if (apart) piece.bytes = joined_;
  if (none) piece.bytes = {};
  if (none && ends_with_connection()) {
    piece.complete = true;
    body_complete_ = output.kind == Output::kEnd;
  } else if (excess_ == Excess::kMore && !ends_with_connection()) {
    piece.status = broken("it went on after its Content-Length");
  } else if (output.kind == Output::kFailed) {
    piece.status = output.failure;
  } else if (output.kind == Output::kEnd) {
    return end_body(piece);
  } else if (ends_with_connection() && has_all_announced()) {
    body_complete_ = piece.complete = true;
  } else if (has_all_announced()) {
    hold_back(piece);
  }
  return piece;
}

base::Task<CallPiece> CgiCall::read_body() {
  const base::Instant since = loop_.now();
  while (true) {
    auto receiving = receiver_.receive(holding_ ? held_until_ : base::kNever, since);
    const Receiver::Outcome received = co_await receiving;
    CallPiece piece;
    if (received == Receiver::Outcome::kNothingYet) {
      piece.bytes = release();
      piece.only_end_missing = true;
      co_return piece;
    }
    if (received == Receiver::Outcome::kBytes) {
      rest_ = receiver_.bytes();
      const bool held = holding_;
      piece = take_body();
      const bool released = held && !holding_;
      if (piece.bytes.empty() && !piece.complete && !released && piece.status == CallStatus::kFine) continue;
      co_return piece;
    }
    piece.status = receiver_.cause_of(received);
    if (receiver_.too_slow()) reason_ = "sent less than 100 bytes a second of its answer to ";
    if (piece.status != CallStatus::kFine) co_return piece;
    if (received == Receiver::Outcome::kEnd && ends_with_connection()) co_return end_body(piece);
    if (has_all_announced()) reason_ = "the connection ended before the answer did";
    piece.status = CallStatus::kTruncated;
    co_return piece;
  }
}

}  // namespace cutwater::upstream
