#include "codec/http1/request_encoder.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "codec/http1/field_line.h"
#include "codec/http1/known_field.h"
#include "message/grammar.h"

namespace cutwater::codec::http1 {
namespace {

// Framing and the connection are ours to state; "100 Continue" was between the client and us.
bool is_ours(KnownField field) {
  switch (field) {
    case KnownField::kHost:
    case KnownField::kContentLength:
    case KnownField::kTransferEncoding:
    case KnownField::kConnection:
    case KnownField::kExpect:
    case KnownField::kHopByHop:
      return true;
    default:
      return false;
  }
}

// A method for which servers expect a body: without one its length is stated all the same (RFC 9110 section 8.6).
bool expects_body(std::string_view method) {
  return method == "POST" || method == "PUT" || method == "PATCH";
}

}  // namespace

void append_request_head(std::string& to, const RequestHead& head) {
  constexpr size_t kOurOwn = 128;  // framing, Connection and what stands between
  size_t length = head.method.size() + head.target.size() + head.authority.size() + head.upgrade.size() + kOurOwn;
  for (const message::HeaderField& field : head.headers) {
    length += field.name.size() + field.value.size() + kFieldOverhead;
  }
  to.reserve(to.size() + length);
  to += head.method;
  to += ' ';
  to += head.target;
  to += " HTTP/1.1\r\n";
  append_field(to, "Host", head.authority);
  for (const message::HeaderField& field : head.headers) {
    if (is_ours(recognise_field(field.name)) || !message::valid_field(field.name, field.value)) continue;
    append_field(to, field.name, field.value);
  }
  if (head.framing == message::BodyFraming::kChunked) {
    append_field(to, "Transfer-Encoding", "chunked");
  } else if (head.framing == message::BodyFraming::kLength || expects_body(head.method)) {
    to += "Content-Length: ";
    base::append_decimal(to, head.framing == message::BodyFraming::kLength ? head.content_length : 0);
    to += "\r\n";
  }
  if (!head.upgrade.empty()) {
    append_field(to, "Connection", "Upgrade");
    append_field(to, "Upgrade", head.upgrade);
  } else if (head.close) {
    append_field(to, "Connection", "close");
  }
  to += "\r\n";
}

bool is_idempotent(std::string_view method) {
  constexpr std::array<std::string_view, 6> kIdempotent = {"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"};
  return std::find(kIdempotent.begin(), kIdempotent.end(), method) != kIdempotent.end();
}

}  // namespace cutwater::codec::http1
