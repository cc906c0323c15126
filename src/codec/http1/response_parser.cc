#include "codec/http1/response_parser.h"

#include <algorithm>
#include <array>
#include <vector>

#include "base/text.h"
#include "codec/http1/known_field.h"
#include "message/grammar.h"

namespace cutwater::codec::http1 {
namespace {

using base::equals_ignoring_case;

constexpr std::string_view kVersion = "HTTP/1.";
constexpr size_t kMostConnectionOptions = 32;
constexpr uint64_t kNoLimit = UINT64_MAX;
// A back end that streams byte by byte spends five bytes of framing on each: nothing of it reaches the client.
constexpr uint64_t kOverheadPerBodyByte = 64;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

class HeadReader {
 public:
  HeadReader(std::string_view head, const ResponseLimits& limits, ParsedResponse& parsed)
      : rest_(head), limits_(limits), parsed_(parsed) {}

  const char* read(std::string_view method);

 private:
  const char* take_line(std::string_view& line);
  const char* read_status_line(std::string_view line);
  const char* read_field(std::string_view line);
  const char* read_connection(std::string_view value);
  const char* settle(std::string_view method);

  std::string_view rest_;
  const ResponseLimits& limits_;
  ParsedResponse& parsed_;
  bool is_http_1_0_ = false;
  bool has_length_ = false;
  bool chunked_ = false;
  bool close_ = false;
  bool keep_alive_ = false;
  unsigned upgrades_ = 0;
  bool upgrade_named_ = false;                // by Connection
  std::vector<std::string_view> named_away_;  // by Connection; nearly always empty
};

const char* HeadReader::take_line(std::string_view& line) {
  const char* begin = rest_.data();
  const char* end = begin + rest_.size();
  const char* control = message::find_control(begin, end);
  if (!std::string_view(control, end).starts_with("\r\n")) return "control byte or bare line end in the head";
  line = rest_.substr(0, static_cast<size_t>(control - begin));
  rest_.remove_prefix(line.size() + 2);
  if (line.size() > limits_.line) return "header field too large";
  return nullptr;
}

const char* HeadReader::read(std::string_view method) {
  std::string_view line;
  if (const char* error = take_line(line)) return error;
  if (const char* error = read_status_line(line)) return error;
  for (size_t fields = 0;; ++fields) {
    if (const char* error = take_line(line)) return error;
    if (line.empty()) break;
    if (fields == limits_.fields) return "too many header fields";
    if (const char* error = read_field(line)) return error;
  }
  if (!rest_.empty()) return "bytes after the head";
  return settle(method);
}

const char* HeadReader::read_status_line(std::string_view line) {
  constexpr size_t kShortest = 12;  // "HTTP/1.1 200"
  constexpr size_t kCode = 9;
  if (!line.starts_with(kVersion)) return "no HTTP/1.x status line";
  if (line.size() < kShortest || !is_digit(line[kVersion.size()]) || line[kCode - 1] != ' ') {
    return "malformed status line";
  }
  uint16_t status = 0;
  for (char c : line.substr(kCode, 3)) {
    if (!is_digit(c)) return "malformed status code";
    status = static_cast<uint16_t>(status * 10 + (c - '0'));
  }
  if (status < 100) return "malformed status code";
  if (line.size() > kShortest && line[kShortest] != ' ') return "malformed status code";
  is_http_1_0_ = line[kVersion.size()] == '0';
  parsed_.response.status = status;
  if (line.size() > kShortest) parsed_.response.reason = line.substr(kShortest + 1);
  return nullptr;
}

const char* HeadReader::read_field(std::string_view line) {
  if (line.front() == ' ' || line.front() == '\t') return "folded header line";
  const char* colon = line.begin();
  while (colon != line.end() && message::is_token_byte(*colon)) ++colon;
  if (colon == line.begin() || colon == line.end() || *colon != ':') return "malformed header name";
  const std::string_view name(line.begin(), colon);
  const std::string_view value = base::trim_whitespace(std::string_view(colon + 1, line.end()));
  switch (recognise_field(name)) {
    case KnownField::kContentLength: {
      if (has_length_) return "two Content-Length fields";
      has_length_ = true;
      const auto length = base::parse_decimal(value);
      if (!length) return "malformed Content-Length";
      parsed_.content_length = *length;
      return nullptr;
    }
    case KnownField::kTransferEncoding:
      if (chunked_) return "two Transfer-Encoding fields";
      if (!equals_ignoring_case(value, "chunked")) return "a transfer coding that was not asked for";
      chunked_ = true;
      return nullptr;
    case KnownField::kConnection:
      return read_connection(value);
    case KnownField::kHopByHop:
      if (equals_ignoring_case(name, "upgrade")) {
        parsed_.response.upgrade = upgrades_++ == 0 ? value : std::string_view();
      }
      return nullptr;
    default:
      parsed_.response.headers.add(name, value);
      return nullptr;
  }
}

const char* HeadReader::read_connection(std::string_view value) {
  while (!value.empty()) {
    const std::string_view option = message::next_list_element(value);
    if (equals_ignoring_case(option, "close")) {
      close_ = true;
    } else if (equals_ignoring_case(option, "keep-alive")) {
      keep_alive_ = true;
    } else if (equals_ignoring_case(option, "upgrade")) {
      upgrade_named_ = true;
    } else if (message::is_token(option) && recognise_field(option) == KnownField::kOther &&
               removable_by_connection(option)) {
      if (named_away_.size() == kMostConnectionOptions) return "too many Connection options";
      named_away_.push_back(option);
    }
  }
  return nullptr;
}

// RFC 9112 section 6.3.
const char* HeadReader::settle(std::string_view method) {
  if (chunked_ && has_length_) return "both Content-Length and Transfer-Encoding";
  if (chunked_ && is_http_1_0_) return "Transfer-Encoding in HTTP/1.0";
  message::Response& response = parsed_.response;
  if (response.status == 101 && !upgrade_named_) response.upgrade = {};  // RFC 9110 section 7.8
  for (std::string_view name : named_away_) response.headers.remove_all(name);
  parsed_.keep_alive = !close_ && (!is_http_1_0_ || keep_alive_);
  if (!message::status_allows_body(response.status)) {
    // A body may have been sent all the same (faults.md 116): who announces one is not asked again.
    const bool announces_body = chunked_ || parsed_.content_length > 0;
    if (announces_body && response.status < 200) return "a body announced with an interim answer";
    if (announces_body && response.status == 204) parsed_.keep_alive = false;
    return nullptr;
  }
  if (has_length_) response.content_length = parsed_.content_length;
  if (method == "HEAD") return nullptr;
  if (chunked_) {
    parsed_.framing = ResponseBodyFraming::kChunked;
  } else if (has_length_) {
    parsed_.framing = parsed_.content_length > 0 ? ResponseBodyFraming::kLength : ResponseBodyFraming::kNone;
  } else {
    parsed_.framing = ResponseBodyFraming::kUntilClose;
    parsed_.keep_alive = false;
  }
  return nullptr;
}

message::BodyFraming framing_of(ResponseBodyFraming framing) {
  switch (framing) {
    case ResponseBodyFraming::kLength:
      return message::BodyFraming::kLength;
    case ResponseBodyFraming::kChunked:
      return message::BodyFraming::kChunked;
    default:
      return message::BodyFraming::kNone;
  }
}

}  // namespace

const char* ResponseLimits::excess(size_t line_start, size_t at) const {
  const size_t line_limit = line_start + line;
  if (at > line_limit && line_limit <= total) return "header field too large";
  return at > total ? "header fields too large" : nullptr;
}

ResponseScanner::Outcome ResponseScanner::refuse(const char* why) {
  reason = why;
  return Outcome::kRefused;
}

// Every decision depends only on the bytes up to where it is made, never on how they were cut.
ResponseScanner::Outcome ResponseScanner::scan(std::string_view bytes) {
  if (*reason != '\0') return Outcome::kRefused;
  if (head_length != 0) return Outcome::kComplete;
  const char* end = bytes.data() + bytes.size();
  while (true) {
    const char* control = message::find_control(bytes.data() + scanned_, end);
    const auto at = static_cast<size_t>(control - bytes.data());
    const std::string_view line = bytes.substr(line_start_, at - line_start_);
    if (lines_ == 0 && !kVersion.starts_with(line.substr(0, kVersion.size()))) return refuse("no HTTP/1.x status line");
    if (const char* excess = limits_.excess(line_start_, at)) return refuse(excess);
    scanned_ = at;
    if (control == end) return Outcome::kIncomplete;
    if (*control != '\r') return refuse("control byte or bare line end in the head");
    if (at + 1 == bytes.size()) return Outcome::kIncomplete;
    if (bytes[at + 1] != '\n') return refuse("control byte or bare line end in the head");
    line_start_ = scanned_ = at + 2;
    if (line.empty() && lines_ == 0) return refuse("no HTTP/1.x status line");
    if (line.empty()) {
      head_length = at + 2;
      return Outcome::kComplete;
    }
    if (lines_++ > limits_.fields) return refuse("too many header fields");
  }
}

const char* parse_response_head(std::string_view head, std::string_view method, const ResponseLimits& limits,
                                ParsedResponse& parsed) {
  parsed.response.headers.clear();
  parsed.response.status = 0;
  parsed.response.reason = {};
  parsed.response.upgrade = {};
  parsed.response.content_length.reset();
  parsed.framing = ResponseBodyFraming::kNone;
  parsed.content_length = 0;
  parsed.keep_alive = false;
  return HeadReader(head, limits, parsed).read(method);
}

ResponseBodyDecoder::ResponseBodyDecoder(ResponseBodyFraming framing, uint64_t content_length)
    : until_close_(framing == ResponseBodyFraming::kUntilClose),
      framed_(framing_of(framing), content_length, kNoLimit, kOverheadPerBodyByte) {}

BodyDecoder::Step ResponseBodyDecoder::decode(std::string_view bytes) {
  if (!until_close_) return framed_.decode(bytes);
  if (bytes.empty()) return {BodyDecoder::Outcome::kNeedMore};
  return {BodyDecoder::Outcome::kPiece, bytes.size(), bytes};
}

}  // namespace cutwater::codec::http1
