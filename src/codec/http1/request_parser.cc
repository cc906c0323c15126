#include "codec/http1/request_parser.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <vector>

#include "base/text.h"
#include "codec/http1/known_field.h"
#include "codec/http1/request_line.h"
#include "message/authority.h"
#include "message/grammar.h"
#include "message/target.h"

namespace cutwater::codec::http1 {
namespace {

using base::equals_ignoring_case;
using message::BodyFraming;

constexpr size_t kMostConnectionOptions = 32;  // named fields to remove; nobody honest needs more
constexpr size_t kLongestAuthority = 272;      // what parse_authority takes is shorter

// HTTP/2 is never begun so: a proxy that tunnels h2c lets requests pass unseen (faults.md 140). An offer with a body is
// left alone, as RFC 9110 section 7.8 allows: what follows the head would be the body first.
bool may_be_taken(std::string_view offer) {
  if (!message::is_field_value(offer)) return false;
  bool any = false;
  while (!offer.empty()) {
    const std::string_view protocol = message::next_list_element(offer);
    const std::string_view name = protocol.substr(0, protocol.find('/'));
    if (protocol.empty()) continue;
    if (!message::is_token(name) || equals_ignoring_case(name.substr(0, 2), "h2")) return false;
    if (equals_ignoring_case(name, "http") || equals_ignoring_case(name, "tls")) return false;
    any = true;
  }
  return any;
}

// Where names become variables, "X_A" and "X-A" are one (faults.md 37).
bool is_plain(std::string_view name) {
  return std::all_of(name.begin(), name.end(),
                     [](char c) { return c == '-' || std::isalnum(static_cast<unsigned char>(c)); });
}

// One head's way through: the request line, field after field, then what only all of them together say.
class HeadParser {
 public:
  HeadParser(std::string_view head, const HeadLimits& limits, message::Request& request, std::string& decoded)
      : rest_(head), limits_(limits), request_(request), decoded_(decoded) {}

  ParseResult parse();

 private:
  ParseResult take_line(std::string_view& line);
  ParseResult parse_target(const RequestLine& line);
  ParseResult parse_field(std::string_view line);
  ParseResult act_on_field(KnownField known, std::string_view name, std::string_view value);
  ParseResult take_singleton(KnownField known, std::string_view name, std::string_view value);
  ParseResult parse_content_length(std::string_view name, std::string_view value);
  ParseResult parse_connection(std::string_view value);
  void take_transfer_codings(std::string_view value);
  ParseResult parse_expect(std::string_view value);
  ParseResult settle();
  ParseResult settle_transfer_encoding();
  ParseResult settle_authority();
  void adopt_authority(const message::Authority& authority);

  bool seen(KnownField field) const { return (seen_ & bit(field)) != 0; }
  static uint16_t bit(KnownField field) { return static_cast<uint16_t>(1U << static_cast<unsigned>(field)); }

  std::string_view rest_;
  const HeadLimits& limits_;
  message::Request& request_;
  std::string& decoded_;

  message::Target target_;
  std::string_view host_;
  std::string_view transfer_encoding_;
  uint16_t seen_ = 0;  // a bit per KnownField
  bool close_ = false;
  bool keep_alive_ = false;
  bool continue_ = false;
  std::string_view upgrade_;  // the one Upgrade field
  unsigned upgrades_ = 0;
  bool upgrade_named_ = false;                // by Connection
  std::vector<std::string_view> named_away_;  // by Connection; nearly always empty
};

ParseResult HeadParser::take_line(std::string_view& line) {
  const char* begin = rest_.data();
  const char* end = begin + rest_.size();
  const char* control = message::find_control(begin, end);
  if (!std::string_view(control, end).starts_with("\r\n")) return {400, "control byte or bare line end"};
  line = rest_.substr(0, static_cast<size_t>(control - begin));
  rest_.remove_prefix(line.size() + 2);
  return {};
}

ParseResult HeadParser::parse() {
  while (rest_.substr(0, 2) == "\r\n") rest_.remove_prefix(2);
  std::string_view line;
  if (ParseResult result = take_line(line); result.status != 0) return result;
  if (line.size() > limits_.request_line) return {414, "request line too long"};
  RequestLine request_line;
  if (ParseResult result = split_request_line(line, request_line); result.status != 0) return result;
  request_.method = request_line.method;
  request_.raw_target = request_line.target;
  request_.version_minor = request_line.version_minor;
  if (ParseResult result = parse_target(request_line); result.status != 0) return result;

  for (size_t fields = 0;; ++fields) {
    if (ParseResult result = take_line(line); result.status != 0) return result;
    if (line.empty()) break;
    if (fields == limits_.fields) return {431, "too many header fields"};
    if (ParseResult result = parse_field(line); result.status != 0) return result;
  }
  if (!rest_.empty()) return {400, "bytes after the head"};
  return settle();
}

ParseResult HeadParser::parse_target(const RequestLine& line) {
  auto target = message::split_target(line.method, line.target);
  if (!target) return {400, "malformed request target"};
  target_ = *target;
  if (line.method == "TRACE") return {405, "TRACE is not allowed"};
  if (target_.form == message::TargetForm::kAuthority) {
    auto authority = message::parse_authority(target_.authority);
    if (!authority || !authority->port) return {400, "malformed CONNECT target"};
    return {405, "CONNECT is not allowed"};
  }
  request_.query = target_.query;
  if (target_.path_is_plain) {
    request_.path = target_.path;
    return {};
  }
  // Room for the authority too: the path is a view that must not move when that is appended.
  decoded_.reserve(target_.path.size() + kLongestAuthority);
  message::DecodedPath decoded = message::decode_path(target_.path, decoded_);
  if (decoded.error != nullptr) return {400, decoded.error};
  request_.path = decoded_;
  request_.path_had_encoded_slash = decoded.had_encoded_slash;
  return {};
}

ParseResult HeadParser::parse_field(std::string_view line) {
  if (line.size() > limits_.field) return {431, "header field too large"};
  const char* colon = line.begin();
  while (colon != line.end() && message::is_token_byte(*colon)) ++colon;
  if (line.front() == ' ' || line.front() == '\t') return {400, "folded header line"};
  if (colon == line.begin() || colon == line.end() || *colon != ':') return {400, "malformed header name"};
  std::string_view name(line.begin(), colon);
  if (limits_.only_plain_names && !is_plain(name)) return {400, "a header name that may be taken for another"};
  std::string_view value = base::trim_whitespace(std::string_view(colon + 1, line.end()));
  KnownField known = recognise_field(name);
  if (known != KnownField::kOther) return act_on_field(known, name, value);
  request_.headers.add(name, value);
  return {};
}

ParseResult HeadParser::act_on_field(KnownField known, std::string_view name, std::string_view value) {
  switch (known) {
    case KnownField::kHopByHop:
      if (equals_ignoring_case(name, "upgrade")) {
        upgrade_ = upgrades_++ == 0 ? value : std::string_view();
      } else if (equals_ignoring_case(name, "te")) {
        take_transfer_codings(value);
      }
      return {};
    case KnownField::kConnection:
      return parse_connection(value);
    case KnownField::kExpect:
      request_.headers.add(name, value);
      return parse_expect(value);
    default:
      return take_singleton(known, name, value);
  }
}

ParseResult HeadParser::take_singleton(KnownField known, std::string_view name, std::string_view value) {
  if (seen(known)) return {400, "header field given twice that may stand once"};
  seen_ |= bit(known);
  switch (known) {
    case KnownField::kContentLength:
      return parse_content_length(name, value);
    case KnownField::kTransferEncoding:
      transfer_encoding_ = value;
      return {};
    case KnownField::kHost:
      host_ = value;
      break;
    default:
      break;
  }
  request_.headers.add(name, value);
  return {};
}

ParseResult HeadParser::parse_content_length(std::string_view name, std::string_view value) {
  auto length = base::parse_decimal(value);
  if (!length) return {400, "malformed Content-Length"};
  request_.framing = BodyFraming::kLength;
  request_.content_length = *length;
  // "010" is ten, and ten is what everybody behind us sees (faults.md 4).
  value.remove_prefix(std::min(value.find_first_not_of('0'), value.size() - 1));
  request_.headers.add(name, value);
  return {};
}

ParseResult HeadParser::parse_connection(std::string_view value) {
  while (!value.empty()) {
    std::string_view option = message::next_list_element(value);
    if (option.empty()) continue;
    if (equals_ignoring_case(option, "close")) {
      close_ = true;
    } else if (equals_ignoring_case(option, "keep-alive")) {
      keep_alive_ = true;
    } else if (equals_ignoring_case(option, "upgrade")) {
      upgrade_named_ = true;
    } else if (message::is_token(option) && recognise_field(option) == KnownField::kOther &&
               removable_by_connection(option)) {
      if (named_away_.size() == kMostConnectionOptions) return {400, "too many Connection options"};
      named_away_.push_back(option);
    }
  }
  return {};
}

// RFC 9110 section 10.1.4. Of codings none but chunked is spoken, whatever is offered.
void HeadParser::take_transfer_codings(std::string_view value) {
  while (!value.empty()) {
    const std::string_view coding = message::next_list_element(value);
    if (equals_ignoring_case(coding, "trailers")) request_.takes_trailers = true;
  }
}

ParseResult HeadParser::parse_expect(std::string_view value) {
  do {
    std::string_view expectation = message::next_list_element(value);
    if (!equals_ignoring_case(expectation, "100-continue")) return {417, "unknown expectation"};
  } while (!value.empty());
  continue_ = true;
  return {};
}

ParseResult HeadParser::settle() {
  if (ParseResult result = settle_transfer_encoding(); result.status != 0) return result;
  if (ParseResult result = settle_authority(); result.status != 0) return result;
  for (std::string_view name : named_away_) request_.headers.remove_all(name);

  bool has_body = request_.framing == BodyFraming::kChunked || request_.content_length > 0;
  request_.expects_continue = continue_ && has_body && request_.version_minor > 0;
  request_.wants_keep_alive = !close_ && (request_.version_minor > 0 || keep_alive_);
  if (upgrade_named_ && request_.version_minor > 0 && !has_body && may_be_taken(upgrade_)) request_.upgrade = upgrade_;
  return {};
}

// RFC 9112 section 6.1. Only "chunked" alone is spoken; other codings that exist get 501, the rest 400.
ParseResult HeadParser::settle_transfer_encoding() {
  constexpr std::array<std::string_view, 5> kNotSpoken = {"gzip", "x-gzip", "deflate", "compress", "x-compress"};
  std::string_view value = transfer_encoding_;
  if (!seen(KnownField::kTransferEncoding)) return {};
  if (seen(KnownField::kContentLength)) return {400, "both Content-Length and Transfer-Encoding"};
  if (request_.version_minor == 0) return {400, "Transfer-Encoding in HTTP/1.0"};
  if (equals_ignoring_case(value, "chunked")) {
    request_.framing = BodyFraming::kChunked;
    return {};
  }
  bool not_spoken = false;
  bool ends_in_comma = value.empty() || value.back() == ',';
  while (!value.empty()) {
    std::string_view coding = message::next_list_element(value);
    bool known = equals_ignoring_case(coding, "chunked");
    for (std::string_view other : kNotSpoken) {
      if (!equals_ignoring_case(coding, other)) continue;
      known = true;
      not_spoken = true;
    }
    if (!known) return {400, "malformed Transfer-Encoding"};
  }
  if (not_spoken && !ends_in_comma) return {501, "transfer coding not supported"};
  return {400, "malformed Transfer-Encoding"};
}

// RFC 9112 section 3.2: the absolute-form's authority wins over Host, which is rewritten, but must be valid
// all the same.
ParseResult HeadParser::settle_authority() {
  std::optional<message::Authority> host;
  if (seen(KnownField::kHost)) {
    host = message::parse_authority(host_);
    if (!host) return {400, "malformed Host"};
  } else if (request_.version_minor > 0) {
    return {400, "no Host"};
  }
  if (target_.form != message::TargetForm::kAbsolute) {
    if (host) adopt_authority(*host);
    return {};
  }
  auto absolute = message::parse_authority(target_.authority);
  if (!absolute) return {400, "malformed authority in request target"};
  adopt_authority(*absolute);
  for (message::HeaderField& field : request_.headers) {
    if (recognise_field(field.name) == KnownField::kHost) field.value = request_.authority;
  }
  if (!host) request_.headers.add("Host", request_.authority);
  return {};
}

void HeadParser::adopt_authority(const message::Authority& authority) {
  std::string_view text = authority.text;
  if (std::any_of(text.begin(), text.end(), [](char c) { return c >= 'A' && c <= 'Z'; })) {
    const size_t start = decoded_.size();
    for (char c : text) decoded_ += base::ascii_lower(c);
    text = std::string_view(decoded_).substr(start);
  }
  request_.authority = text;
  request_.server_name = text.substr(0, authority.host.size());
  request_.server_port = authority.port.value_or(0);
}

}  // namespace

ParseResult parse_request_head(std::string_view head, const HeadLimits& limits, message::Request& request,
                               std::string& decoded) {
  if (head.size() > limits.total) return {431, "header fields too large"};
  decoded.clear();
  request.headers.clear();
  request.framing = BodyFraming::kNone;
  request.content_length = 0;
  request.path_had_encoded_slash = false;
  request.upgrade = {};
  request.takes_trailers = false;
  request.authority = request.server_name = {};
  request.server_port = 0;
  return HeadParser(head, limits, request, decoded).parse();
}

}  // namespace cutwater::codec::http1
