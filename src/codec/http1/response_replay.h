// For tests and fuzzers: plays what a server answered through scanner, parser and body decoder as a client would, in
// pieces cut anywhere, and writes down what came out. The cut must not change it.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "codec/http1/response_parser.h"

namespace cutwater::codec::http1 {

// One response and the interim ones before it.
class ResponseReplay {
 public:
  explicit ResponseReplay(std::string method, const ResponseLimits& limits = {})
      : method_(std::move(method)), limits_(limits), scanner_(limits) {}

  void feed(std::string_view bytes) {
    waiting_.erase(0, position_);
    position_ = 0;
    waiting_ += bytes;
    while (!done_ && (body_ ? step_body() : step_head())) {
    }
  }
  // The server closes. "200 length keep: <fields>; body", "refused: why", "cut" or "incomplete".
  std::string end() {
    if (!done_ && body_) complete_ = body_->complete_at_end();
    if (!done_) done_ = body_ ? text_ + content_ + (complete_ ? "" : " cut") : text_ + "incomplete";
    return *done_ + (complete_ && !rest().empty() ? " +extra" : "");
  }
  size_t consumed() const { return consumed_; }

 private:
  bool finish(std::string text) {
    done_ = std::move(text);
    return false;
  }
  std::string_view rest() const { return std::string_view(waiting_).substr(position_); }
  void take(size_t count) {
    position_ += count;
    consumed_ += count;
  }

  bool step_head() {
    switch (scanner_.scan(rest())) {
      case ResponseScanner::Outcome::kIncomplete:
        return false;
      case ResponseScanner::Outcome::kRefused:
        return finish(text_ + "refused: " + scanner_.reason);
      case ResponseScanner::Outcome::kComplete:
        break;
    }
    const std::string head(rest().substr(0, scanner_.head_length));
    take(scanner_.head_length);
    scanner_ = ResponseScanner(limits_);
    ParsedResponse parsed;
    if (const char* error = parse_response_head(head, method_, limits_, parsed)) {
      return finish(text_ + "refused: " + error);
    }
    describe(parsed);
    if (parsed.response.status < 200) return true;
    body_.emplace(parsed.framing, parsed.content_length);
    return true;
  }

  bool step_body() {
    const BodyDecoder::Step step = body_->decode(rest());
    content_ += step.piece;
    take(step.consumed);
    switch (step.outcome) {
      case BodyDecoder::Outcome::kPiece:
        return true;
      case BodyDecoder::Outcome::kNeedMore:
        return false;
      case BodyDecoder::Outcome::kEnd:
        complete_ = true;
        return finish(text_ + content_);
      default:
        return finish(text_ + content_ + " broken");
    }
  }

  void describe(const ParsedResponse& parsed) {
    constexpr std::string_view kFramings[] = {"none", "length", "chunked", "until-close"};
    text_ += std::to_string(parsed.response.status) + " " + std::string(parsed.response.reason) + " ";
    text_ += kFramings[static_cast<size_t>(parsed.framing)];
    text_ += parsed.keep_alive ? " keep" : " close";
    if (parsed.response.content_length) text_ += " " + std::to_string(*parsed.response.content_length);
    for (const message::HeaderField& field : parsed.response.headers) {
      text_ += " " + std::string(field.name) + "=" + std::string(field.value);
    }
    text_ += ": ";
  }

  const std::string method_;
  const ResponseLimits limits_;
  ResponseScanner scanner_;
  std::optional<ResponseBodyDecoder> body_;
  std::string waiting_;
  size_t position_ = 0;  // what lies before it was consumed
  std::string text_;
  std::string content_;
  size_t consumed_ = 0;
  bool complete_ = false;  // what follows belongs to nobody
  std::optional<std::string> done_;
};

inline std::string replay_response(std::string_view bytes, std::string_view method, size_t first, size_t size,
                                   const ResponseLimits& limits = {}) {
  ResponseReplay replay{std::string(method), limits};
  replay.feed(bytes.substr(0, first));
  bytes.remove_prefix(std::min(first, bytes.size()));
  while (!bytes.empty()) {
    const std::string_view piece = bytes.substr(0, size);
    replay.feed(piece);
    bytes.remove_prefix(piece.size());
  }
  return replay.end();
}

}  // namespace cutwater::codec::http1
