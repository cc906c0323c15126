#include "codec/http1/request_line.h"
#include "codec/http1/request_parser.h"
#include "message/grammar.h"

namespace cutwater::codec::http1 {

HeadScanner::HeadScanner(const HeadLimits& limits) : limits_(limits) {}

void HeadScanner::reset() {
  *this = HeadScanner(limits_);
}

HeadScanner::Outcome HeadScanner::refuse(uint16_t code, const char* why) {
  status = code;
  reason = why;
  return Outcome::kRefused;
}

// Every decision depends only on the bytes up to where it is made, never on how they were cut: the line's
// length is judged before the byte that ends it.
HeadScanner::Outcome HeadScanner::scan(std::string_view bytes) {
  if (status != 0) return Outcome::kRefused;
  if (head_length != 0) return Outcome::kComplete;
  const char* end = bytes.data() + bytes.size();
  while (true) {
    const char* control = message::find_control(bytes.data() + scanned_, end);
    auto at = static_cast<size_t>(control - bytes.data());
    if (in_request_line() && !check_method(bytes.substr(line_start_, at - line_start_))) {
      return refuse(400, "not an HTTP request: malformed method");
    }
    if (too_long(at)) return refuse_length();
    scanned_ = at;
    if (control == end) return Outcome::kIncomplete;
    if (*control == '\n') return refuse(400, "bare line feed in head");
    if (*control != '\r') return refuse(400, "control byte in head");
    if (at + 1 == bytes.size()) return Outcome::kIncomplete;
    if (bytes[at + 1] != '\n') return refuse(400, "bare carriage return in head");
    if (at + 2 > limits_.total) return refuse_length();

    Outcome outcome = end_line(bytes.substr(line_start_, at - line_start_));
    line_start_ = scanned_ = at + 2;
    if (outcome == Outcome::kComplete) head_length = at + 2;
    if (outcome != Outcome::kIncomplete) return outcome;
  }
}

// Refuses what does not begin like a request (TLS, binary protocols) at its first bytes.
bool HeadScanner::check_method(std::string_view line) {
  while (!method_ended_ && method_length_ < line.size()) {
    char c = line[method_length_];
    method_ended_ = c == ' ' && method_length_ > 0;
    if (!method_ended_ && (!message::is_token_byte(c) || method_length_ == kLongestMethod)) return false;
    ++method_length_;
  }
  return true;
}

bool HeadScanner::too_long(size_t at) const {
  size_t line_limit = in_request_line() ? limits_.request_line : limits_.field;
  return at - line_start_ > line_limit || at > limits_.total;
}

HeadScanner::Outcome HeadScanner::refuse_length() {
  if (in_request_line()) return refuse(414, "request line too long");
  return refuse(431, "header fields too large");
}

HeadScanner::Outcome HeadScanner::end_line(std::string_view line) {
  if (in_request_line()) {
    if (line.empty()) {
      if (++empty_lines_ > kMostLeadingEmptyLines) return refuse(400, "empty lines instead of a request");
      return Outcome::kIncomplete;
    }
    ParseResult version = check_version(line);
    if (version.status != 0) return refuse(version.status, version.reason);
    ++lines_;
    return Outcome::kIncomplete;
  }
  if (line.empty()) return Outcome::kComplete;
  if (lines_++ > limits_.fields) return refuse(431, "too many header fields");
  return Outcome::kIncomplete;
}

}  // namespace cutwater::codec::http1
