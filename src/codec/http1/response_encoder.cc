#include "codec/http1/response_encoder.h"

#include <algorithm>
#include <charconv>
#include <iterator>

#include "base/text.h"
#include "codec/http1/field_line.h"
#include "message/grammar.h"

namespace cutwater::codec::http1 {
namespace {

using base::equals_ignoring_case;

constexpr std::string_view kStatusLine = "HTTP/1.1 ";
constexpr std::string_view kStatusField = "Status: ";

// Framing and the connection belong to this file: such fields are never copied from a response.
bool is_ours(std::string_view name) {
  switch (name.size()) {
    case 2:
      return equals_ignoring_case(name, "te");
    case 7:
      return equals_ignoring_case(name, "upgrade") || equals_ignoring_case(name, "trailer");
    case 10:
      return equals_ignoring_case(name, "connection") || equals_ignoring_case(name, "keep-alive");
    case 14:
      return equals_ignoring_case(name, "content-length");
    case 16:
      return equals_ignoring_case(name, "proxy-connection");
    case 17:
      return equals_ignoring_case(name, "transfer-encoding");
    default:
      return false;
  }
}

void append_status(std::string& to, std::string_view begin, const message::Response& response) {
  // Callers check what applications say; three digits are the wire's condition.
  uint16_t status = response.status >= 100 && response.status <= 999 ? response.status : 500;
  if (status == 200 && (response.reason.empty() || response.reason == "OK")) {
    to += begin;
    to += "200 OK\r\n";
    return;
  }
  to += begin;
  base::append_decimal(to, status);
  to += ' ';
  bool own_reason = !response.reason.empty() && message::is_field_value(response.reason);
  to += own_reason ? response.reason : message::standard_reason(status);
  to += "\r\n";
}

// Not what tells how to frame, route, read or trust the message: that must be known before its body.
bool may_be_trailer(std::string_view name) {
  constexpr std::string_view kHeadOnly[] = {"authorization",    "cache-control", "content-encoding", "content-range",
                                            "content-type",     "host",          "location",         "set-cookie",
                                            "www-authenticate", "vary"};
  if (is_ours(name)) return false;
  return std::none_of(std::begin(kHeadOnly), std::end(kHeadOnly),
                      [name](std::string_view other) { return equals_ignoring_case(name, other); });
}

// True when Date was among them.
bool append_fields(std::string& to, const message::Headers& headers) {
  bool has_date = false;
  for (const message::HeaderField& field : headers) {
    if (is_ours(field.name) || !message::valid_field(field.name, field.value)) continue;
    has_date |= equals_ignoring_case(field.name, "date");
    append_field(to, field.name, field.value);
  }
  return has_date;
}

// A 304 may repeat the length of the 200 it stands for, but applications give it the length of nothing: left out.
void append_length(std::string& to, uint16_t status, std::optional<uint64_t> length) {
  if (!length || !message::status_allows_body(status)) return;
  to += "Content-Length: ";
  base::append_decimal(to, *length);
  to += "\r\n";
}

std::optional<uint64_t> length_of(const message::Response& response, std::optional<uint64_t> whole_body) {
  return response.content_length ? response.content_length : whole_body;
}

ResponseFraming choose_framing(uint16_t status, std::optional<uint64_t> length, const EncodeContext& context) {
  if (!message::status_allows_body(status) || context.head_request) return ResponseFraming::kNone;
  if (length) return ResponseFraming::kLength;
  return context.version_minor > 0 ? ResponseFraming::kChunked : ResponseFraming::kUntilClose;
}

}  // namespace

EncodedHead append_response_head(std::string& to, const message::Response& response, const EncodeContext& context) {
  const std::optional<uint64_t> length = length_of(response, context.whole_body);
  const ResponseFraming framing = choose_framing(response.status, length, context);
  bool keep_alive = context.keep_alive && framing != ResponseFraming::kUntilClose;
  append_status(to, kStatusLine, response);
  if (!append_fields(to, response.headers) && !context.date.empty()) append_field(to, "Date", context.date);
  append_length(to, response.status, length);
  if (framing == ResponseFraming::kChunked) to += "Transfer-Encoding: chunked\r\n";
  // 426 must say which protocols would do (RFC 9110 section 15.5.22).
  const bool wants_another = response.status == 426 && context.version_minor > 0 && !response.upgrade.empty() &&
                             message::is_field_value(response.upgrade);
  if (wants_another) {
    to += keep_alive ? "Connection: Upgrade\r\n" : "Connection: close, Upgrade\r\n";
    append_field(to, "Upgrade", response.upgrade);
  } else if (!keep_alive) {
    to += "Connection: close\r\n";
  } else if (context.version_minor == 0) {
    to += "Connection: keep-alive\r\n";
  }
  to += "\r\n";
  return {framing, keep_alive};
}

void append_gateway_head(std::string& to, const message::Response& response, StatusForm form,
                         std::optional<uint64_t> whole_body) {
  append_status(to, form == StatusForm::kStatusLine ? kStatusLine : kStatusField, response);
  for (const message::HeaderField& field : response.headers) {
    if (is_ours(field.name) || equals_ignoring_case(field.name, "status")) continue;  // a second Status would win
    if (message::valid_field(field.name, field.value)) append_field(to, field.name, field.value);
  }
  append_length(to, response.status, length_of(response, whole_body));
  to += "\r\n";
}

void append_informational(std::string& to, const message::Response& response) {
  append_status(to, kStatusLine, response);
  append_fields(to, response.headers);
  to += "\r\n";
}

void append_switching_head(std::string& to, const message::Response& response) {
  append_status(to, kStatusLine, response);
  append_fields(to, response.headers);
  append_field(to, "Connection", "Upgrade");
  append_field(to, "Upgrade", response.upgrade);
  to += "\r\n";
}

void append_last_chunk(std::string& to, const message::Headers& trailers) {
  to += "0\r\n";
  for (const message::HeaderField& field : trailers) {
    if (may_be_trailer(field.name) && message::valid_field(field.name, field.value)) {
      append_field(to, field.name, field.value);
    }
  }
  to += "\r\n";
}

void append_chunk_start(std::string& to, size_t length) {
  char digits[2 * sizeof length];
  auto [end, error] = std::to_chars(digits, digits + sizeof digits, length, 16);
  to.append(digits, end);
  to += "\r\n";
}

}  // namespace cutwater::codec::http1
