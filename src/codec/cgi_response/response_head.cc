#include "codec/cgi_response/response_head.h"

#include "base/text.h"
#include "codec/http1/known_field.h"
#include "message/grammar.h"

namespace cutwater::codec {

using base::equals_ignoring_case;
using http1::KnownField;

namespace {

constexpr const char* kControl = "control byte in the head";
constexpr const char* kTooMany = "too many header fields";
constexpr uint16_t kFound = 302;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

class HeadReader {
 public:
  HeadReader(std::string_view head, const ResponseLimits& limits, CgiResponse& parsed)
      : rest_(head), limits_(limits), parsed_(parsed) {}

  // nullptr, or what is wrong.
  const char* read();

 private:
  std::string_view take_line();
  const char* read_field(std::string_view line);
  const char* read_status(std::string_view value);
  const char* read_length(std::string_view value);
  void settle();

  std::string_view rest_;
  const ResponseLimits& limits_;
  CgiResponse& parsed_;
  bool has_status_ = false;
  bool is_document_ = false;  // it has a field that a redirect to a path of ours has no use for
};

std::string_view HeadReader::take_line() {
  const size_t end = rest_.find('\n');
  std::string_view line = rest_.substr(0, end);
  rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

const char* HeadReader::read() {
  for (size_t fields = 0;; ++fields) {
    const bool at_end = rest_.empty();
    const std::string_view line = take_line();
    if (line.empty()) {
      if (at_end) return "a head without an end";
      break;
    }
    if (line.size() > limits_.line) return "header field too large";
    if (!message::is_field_value(line)) return kControl;
    if (fields == limits_.fields) return kTooMany;
    if (const char* error = read_field(line)) return error;
  }
  if (!rest_.empty()) return "bytes after the head";
  settle();
  return nullptr;
}

const char* HeadReader::read_field(std::string_view line) {
  if (line.front() == ' ' || line.front() == '\t') return "folded header line";
  if (line.starts_with("HTTP/")) return "an HTTP status line where a Status field is expected";
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return "a line of the head without a colon";
  const std::string_view name = line.substr(0, colon);
  if (!message::is_token(name)) return "malformed header name";
  const std::string_view value = base::trim_whitespace(line.substr(colon + 1));
  if (equals_ignoring_case(name, "Status")) return read_status(value);
  switch (http1::recognise_field(name)) {
    case KnownField::kContentLength:
      return read_length(value);
    case KnownField::kTransferEncoding:
      return "a transfer coding in a CGI response";
    case KnownField::kConnection:
    case KnownField::kHopByHop:
      return nullptr;
    default:
      is_document_ |= !equals_ignoring_case(name, "Location");
      parsed_.response.headers.add(name, value);
      return nullptr;
  }
}

const char* HeadReader::read_status(std::string_view value) {
  if (has_status_) return "two Status fields";
  has_status_ = true;
  if (value.size() < 3 || (value.size() > 3 && value[3] != ' ')) return "malformed Status";
  uint16_t status = 0;
  for (char c : value.substr(0, 3)) {
    if (!is_digit(c)) return "malformed Status";
    status = static_cast<uint16_t>(status * 10 + (c - '0'));
  }
  if (status < 200) return "a Status that is no final answer";
  parsed_.response.status = status;
  if (value.size() > 4) parsed_.response.reason = value.substr(4);
  return nullptr;
}

const char* HeadReader::read_length(std::string_view value) {
  if (parsed_.response.content_length) return "two Content-Length fields";
  parsed_.response.content_length = base::parse_decimal(value);
  return parsed_.response.content_length ? nullptr : "malformed Content-Length";
}

// RFC 3875 section 6.2: which of the four kinds of response it is.
void HeadReader::settle() {
  message::Response& response = parsed_.response;
  const auto location = response.headers.get("Location");
  if (!message::status_allows_body(response.status)) response.content_length.reset();
  if (has_status_ || !location) return;
  response.status = kFound;
  const bool is_path = location->starts_with('/') && !location->starts_with("//");
  if (is_path && !is_document_) parsed_.local_redirect = *location;
}

}  // namespace

CgiHeadScanner::Outcome CgiHeadScanner::refuse(const char* why) {
  reason = why;
  return Outcome::kRefused;
}

// Every decision depends only on the bytes up to where it is made, never on how they were cut.
CgiHeadScanner::Outcome CgiHeadScanner::scan(std::string_view bytes) {
  if (*reason != '\0') return Outcome::kRefused;
  if (head_length != 0) return Outcome::kComplete;
  const char* end = bytes.data() + bytes.size();
  while (true) {
    const char* control = message::find_control(bytes.data() + scanned_, end);
    const auto at = static_cast<size_t>(control - bytes.data());
    if (const char* excess = limits_.excess(line_start_, at)) return refuse(excess);
    scanned_ = at;
    if (control == end) return Outcome::kIncomplete;
    size_t line_end = at;
    if (*control == '\r') {
      if (at + 1 == bytes.size()) return Outcome::kIncomplete;
      ++line_end;
    }
    if (bytes[line_end] != '\n') return refuse(kControl);
    const bool is_empty = at == line_start_;
    line_start_ = scanned_ = line_end + 1;
    if (is_empty) {
      head_length = line_start_;
      return Outcome::kComplete;
    }
    if (lines_++ == limits_.fields) return refuse(kTooMany);
  }
}

const char* parse_cgi_head(std::string_view head, const ResponseLimits& limits, CgiResponse& parsed) {
  parsed.response.headers.clear();
  parsed.response.status = 200;
  parsed.response.reason = {};
  parsed.response.content_length.reset();
  parsed.local_redirect = {};
  return HeadReader(head, limits, parsed).read();
}

}  // namespace cutwater::codec
