// The fields that HTTP/1 itself acts on, told apart by length and first letter. Private to codec/http1.
#pragma once

#include <cstdint>
#include <string_view>

namespace cutwater::codec::http1 {

enum class KnownField : uint8_t {
  kOther,
  kHost,
  kContentLength,
  kTransferEncoding,
  kConnection,
  kExpect,
  kContentType,
  kAuthorization,
  kWebSocketKey,
  kHopByHop,  // Keep-Alive, Proxy-Connection, TE, Trailer, Upgrade: between client and us, never in a request
};

// `name` is a token.
KnownField recognise_field(std::string_view name);

// Whether naming `option` in Connection takes the field of that name out of the request. Fields that carry
// framing, routing, identity or anti-forgery tokens cannot be named away: that would turn a proxy's checks
// off (CVE-2022-31813, faults.md 36).
bool removable_by_connection(std::string_view option);

}  // namespace cutwater::codec::http1
