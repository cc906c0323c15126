#include "serve/request_head.h"

#include <algorithm>

#include "codec/cgi_variables/variable_reader.h"
#include "codec/http1/request_line.h"
#include "codec/scgi/request_head.h"
#include "codec/uwsgi/packet.h"

namespace cutwater::serve {

namespace {

using codec::http1::HeadScanner;

// The target stands in up to three variables, names grow by "HTTP_", and the web server adds some of its own. Apache
// tells of TLS by some forty, and each host name of both certificates in one more: up to a hundred names are usual.
constexpr size_t kVariableBytesPerHeadByte = 2;
constexpr size_t kVariablesOfTheServer = 256;

}  // namespace

bool looks_like_http(std::string_view bytes) {
  for (std::string_view begin : {"GET /", "HEAD /", "POST /", "PUT /", "OPTIONS "}) {
    if (bytes.starts_with(begin)) return true;
  }
  return false;
}

const char* web_server_request(std::string_view bytes) {
  const auto at = [bytes](size_t index) { return index < bytes.size() ? bytes[index] : '\xff'; };
  // BEGIN_REQUEST, of eight bytes.
  if (bytes.starts_with(std::string_view("\1\1", 2)) && at(4) == 0 && at(5) == 8) return "a FastCGI request";
  // A packet of modifier1 0, whose first name is shorter than 256 bytes and begins with a letter.
  const bool is_uwsgi = at(0) == 0 && at(3) == 0 && at(5) == 0 && at(6) >= 'A' && at(6) <= 'Z';
  if (is_uwsgi) return "a uwsgi request";
  const size_t colon = std::min(bytes.find_first_not_of("0123456789"), bytes.size());
  if (colon > 0 && bytes.substr(colon).starts_with(":CONTENT_LENGTH")) return "an SCGI request";
  return nullptr;
}

codec::VariableLimits variable_limits(const codec::http1::HeadLimits& head) {
  return {head.total * kVariableBytesPerHeadByte, head.fields + kVariablesOfTheServer};
}

RequestHead::RequestHead(const ServeOptions& options, ExchangeMemory& memory)
    : options_(options), memory_(memory), scanner_(options.head) {}

RequestHead::Outcome RequestHead::take_from(ConnectionInput& input) {
  if (options_.protocol == Protocol::kHttp) return scan_http(input);
  if (input.bytes().size() < needed_) return Outcome::kIncomplete;
  return options_.protocol == Protocol::kUwsgi ? scan_uwsgi(input) : scan_scgi(input);
}

RequestHead::Outcome RequestHead::scan_http(ConnectionInput& input) {
  switch (scanner_.scan(input.bytes())) {
    case HeadScanner::Outcome::kIncomplete:
      note_head_request(input.bytes());
      return Outcome::kIncomplete;
    case HeadScanner::Outcome::kRefused:
      note_head_request(input.bytes());
      foreign_ = web_server_request(input.bytes());
      return refuse(scanner_.status, scanner_.reason);
    case HeadScanner::Outcome::kComplete:
      break;
  }
  memory_.head.assign(input.bytes().substr(0, scanner_.head_length));
  input.consume(scanner_.head_length);
  return Outcome::kComplete;
}

// What is refused before it is a request is answered all the same, and to HEAD without a body (RFC 9110 section 9.3.2).
void RequestHead::note_head_request(std::string_view bytes) {
  bytes.remove_prefix(std::min(bytes.find_first_not_of("\r\n"), bytes.size()));
  memory_.request.method = bytes.starts_with("HEAD ") ? "HEAD" : "";
}

RequestHead::Outcome RequestHead::scan_uwsgi(ConnectionInput& input) {
  using codec::uwsgi::PacketResult;
  const std::string_view bytes = input.bytes();
  const PacketResult result = codec::uwsgi::read_packet(bytes, variable_limits(options_.head), memory_.variables);
  switch (result.kind) {
    case PacketResult::kIncomplete:
      needed_ = result.needed;
      return Outcome::kIncomplete;
    case PacketResult::kTooLarge:
      return refuse(431, result.reason);
    case PacketResult::kOtherModifier:
      if (!looks_like_http(bytes)) modifier_ = result.modifier1;
      unspoken(bytes, result.reason);
      return refuse(501, reason_);
    case PacketResult::kMalformed:
      return unspoken(bytes, result.reason);
    case PacketResult::kComplete:
      break;
  }
  return take_variables(input, result.consumed);
}

RequestHead::Outcome RequestHead::scan_scgi(ConnectionInput& input) {
  using codec::scgi::HeadResult;
  const std::string_view bytes = input.bytes();
  const HeadResult result = codec::scgi::read_request_head(bytes, variable_limits(options_.head), memory_.variables);
  switch (result.kind) {
    case HeadResult::kIncomplete:
      needed_ = result.needed;
      return Outcome::kIncomplete;
    case HeadResult::kTooLarge:
      return refuse(431, result.reason);
    case HeadResult::kMalformed:
      return unspoken(bytes, result.reason);
    case HeadResult::kComplete:
      break;
  }
  return take_variables(input, result.consumed);
}

// The variables are views into what was received; they move with it.
RequestHead::Outcome RequestHead::take_variables(ConnectionInput& input, size_t length) {
  const char* received = input.bytes().data();
  memory_.head.assign(input.bytes().substr(0, length));
  const auto moved = [this, received](std::string_view text) {
    return std::string_view(memory_.head).substr(static_cast<size_t>(text.data() - received), text.size());
  };
  for (codec::Variable& variable : memory_.variables) variable = {moved(variable.name), moved(variable.value)};
  input.consume(length);
  return Outcome::kComplete;
}

RequestHead::Outcome RequestHead::parse() {
  if (options_.protocol != Protocol::kHttp) return parse_variables();
  const auto parsed = codec::http1::parse_request_head(memory_.head, options_.head, memory_.request, memory_.decoded);
  if (parsed.status == 0) return Outcome::kComplete;
  note_head_request(memory_.head);
  return refuse(parsed.status, parsed.reason);
}

RequestHead::Outcome RequestHead::parse_variables() {
  const auto read = codec::read_variables(memory_.variables, memory_.request, memory_.decoded);
  if (read.status != 0) return refuse(read.status, read.reason);
  memory_.request.wants_keep_alive = false;
  // By FastCGI a body has an end of its own, by uwsgi and SCGI its length alone.
  const bool unknown_length = memory_.request.framing == message::BodyFraming::kChunked;
  if (unknown_length && options_.protocol != Protocol::kFastcgi) return refuse(411, "a body without CONTENT_LENGTH");
  return check_limits();
}

// As if the head had come by HTTP: the same request gets the same answer. What else is said counts as fields do.
RequestHead::Outcome RequestHead::check_limits() {
  const message::Request& request = memory_.request;
  if (request.method.size() > codec::http1::kLongestMethod) return refuse(400, "malformed method");
  const size_t line = request.method.size() + request.raw_target.size() + std::string_view("  HTTP/1.1\r\n").size();
  if (line > options_.head.request_line) return refuse(414, "the request target is too long");
  if (request.headers.size() > options_.head.fields) return refuse(431, "too many fields");
  size_t total = line;
  for (const message::HeaderField& other : request.variables) total += other.name.size() + other.value.size();
  for (const message::HeaderField& field : request.headers) {
    const size_t bytes = field.name.size() + field.value.size() + std::string_view(": \r\n").size();
    if (bytes > options_.head.field) return refuse(431, "a field is too long");
    total += bytes;
  }
  return total > options_.head.total ? refuse(431, "the fields are too long") : Outcome::kComplete;
}

RequestHead::Outcome RequestHead::timed_out() {
  return refuse(408, "the request head took too long");
}

RequestHead::Outcome RequestHead::client_left() {
  reason_ = kLeftInHead;
  return Outcome::kUnspoken;
}

RequestHead::Outcome RequestHead::refuse(uint16_t status, const char* reason) {
  status_ = status;
  reason_ = reason;
  return Outcome::kRefused;
}

RequestHead::Outcome RequestHead::unspoken(std::string_view bytes, const char* reason) {
  foreign_ = reason_ = looks_like_http(bytes) ? kHttpCame : reason;
  return Outcome::kUnspoken;
}

}  // namespace cutwater::serve
