// Response head as handlers give it. Framing (Content-Length, Transfer-Encoding), Connection and Date belong to the
// writer of the front protocol: a handler states the length if it knows it, never the framing.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "message/headers.h"

namespace cutwater::message {

struct Response {
  uint16_t status = 200;
  std::string_view reason;                 // empty: the standard phrase
  Headers headers;                         // without Content-Length, Transfer-Encoding, Connection, Upgrade
  std::optional<uint64_t> content_length;  // known: Content-Length; unknown: chunked, or close on HTTP/1.0
  std::string_view upgrade;  // with 101 the protocol switched to, one of Request::upgrade; with 426 those wanted
};

std::string_view standard_reason(uint16_t status);
// 1xx, 204 and 304 never have a body (RFC 9110 section 6.4.1); HEAD is the request's matter.
constexpr bool status_allows_body(uint16_t status) {
  return status >= 200 && status != 204 && status != 304;
}
// Nor may a 205 have content, but it has the framing of a body, of no bytes (RFC 9110 section 15.3.6).
constexpr bool status_allows_content(uint16_t status) {
  return status_allows_body(status) && status != 205;
}

}  // namespace cutwater::message
