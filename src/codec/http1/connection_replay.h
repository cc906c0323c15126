// For tests and fuzzers: plays bytes through scanner, parser and body decoder as a connection would, in
// pieces cut anywhere, and writes down what came out. The cut must not change the transcript.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.h"
#include "codec/http1/body_decoder.h"
#include "codec/http1/request_parser.h"

namespace cutwater::codec::http1 {

struct Transcript {
  // One per request: "ok", a status ("400"), "body-400", "body-413"; at the end "incomplete" when a message
  // began and did not end.
  std::vector<std::string> outcomes;
  std::vector<std::string> requests;  // each accepted head and body, one "name: value" a line

  friend bool operator==(const Transcript&, const Transcript&) = default;
};

class ConnectionReplay {
 public:
  explicit ConnectionReplay(uint64_t body_limit, const HeadLimits& limits = {})
      : limits_(limits), body_limit_(body_limit), scanner_(limits) {}

  void feed(std::string_view bytes) {
    buffer_.erase(0, position_);
    position_ = 0;
    buffer_ += bytes;
    while (!closed_ && (in_body_ ? step_body() : step_head())) {
    }
  }
  Transcript end() {
    if (!closed_ && (in_body_ || !rest().empty())) refuse("incomplete");
    return std::move(transcript_);
  }

 private:
  std::string_view rest() const { return std::string_view(buffer_).substr(position_); }
  bool refuse(std::string outcome) {
    transcript_.outcomes.push_back(std::move(outcome));
    closed_ = true;
    return false;
  }

  bool step_head() {
    switch (scanner_.scan(rest())) {
      case HeadScanner::Outcome::kIncomplete:
        return false;
      case HeadScanner::Outcome::kRefused:
        return refuse(std::to_string(scanner_.status));
      case HeadScanner::Outcome::kComplete:
        break;
    }
    request_.clear();
    std::string head(rest().substr(0, scanner_.head_length));
    position_ += scanner_.head_length;
    scanner_.reset();
    ParseResult parsed = parse_request_head(head, limits_, request_, decoded_);
    if (parsed.status != 0) return refuse(std::to_string(parsed.status));
    describe_head();
    body_.clear();
    decoder_ = BodyDecoder(request_.framing, request_.content_length, body_limit_);
    in_body_ = true;
    keep_alive_ = request_.wants_keep_alive;
    return true;
  }

  bool step_body() {
    BodyDecoder::Step step = decoder_.decode(rest());
    body_ += step.piece;
    position_ += step.consumed;
    switch (step.outcome) {
      case BodyDecoder::Outcome::kPiece:
        return true;
      case BodyDecoder::Outcome::kNeedMore:
        return false;
      case BodyDecoder::Outcome::kMalformed:
        return refuse("body-400");
      case BodyDecoder::Outcome::kTooLarge:
        return refuse("body-413");
      case BodyDecoder::Outcome::kEnd:
        break;
    }
    transcript_.outcomes.emplace_back("ok");
    transcript_.requests.push_back(description_ + "body: " + body_ + "\n");
    in_body_ = false;
    closed_ = !keep_alive_;
    return true;
  }

  void line(std::string_view name, std::string_view value) {
    description_.append(name).append(": ").append(value).append("\n");
  }
  void describe_head() {
    constexpr std::string_view kFramings[] = {"none", "length", "chunked"};
    description_.clear();
    line("method", request_.method);
    line("target", request_.raw_target);
    line("path", request_.path);
    line("query", request_.query);
    line("authority", request_.authority);
    line("server", request_.server_name);
    line("port", std::to_string(request_.server_port));
    line("version", request_.version_minor == 0 ? "1.0" : "1.1");
    line("framing", kFramings[static_cast<size_t>(request_.framing)]);
    line("length", std::to_string(request_.content_length));
    line("keep-alive", request_.wants_keep_alive ? "yes" : "no");
    line("continue", request_.expects_continue ? "yes" : "no");
    line("encoded-slash", request_.path_had_encoded_slash ? "yes" : "no");
    for (const message::HeaderField& field : request_.headers) {
      line("header", base::to_ascii_lower(field.name) + "=" + std::string(field.value));
    }
  }

  HeadLimits limits_;
  uint64_t body_limit_;
  HeadScanner scanner_;
  BodyDecoder decoder_{message::BodyFraming::kNone, 0, 0};
  message::Request request_;
  std::string decoded_;
  std::string buffer_;
  size_t position_ = 0;  // what lies before it in the buffer was consumed
  std::string body_;
  std::string description_;
  bool in_body_ = false;
  bool keep_alive_ = true;
  bool closed_ = false;
  Transcript transcript_;
};

// All of `bytes` in pieces of `size` bytes (the last may be shorter), after a first piece of `first` bytes.
inline Transcript replay(std::string_view bytes, uint64_t body_limit, size_t first, size_t size) {
  ConnectionReplay connection(body_limit);
  connection.feed(bytes.substr(0, first));
  bytes.remove_prefix(first < bytes.size() ? first : bytes.size());
  while (!bytes.empty()) {
    std::string_view piece = bytes.substr(0, size);
    connection.feed(piece);
    bytes.remove_prefix(piece.size());
  }
  return connection.end();
}

}  // namespace cutwater::codec::http1
