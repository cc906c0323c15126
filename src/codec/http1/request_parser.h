// HTTP/1.1 request head, RFC 9112, strict (faults.md 1A): bytes in -> a Request or the status to refuse with.
// No I/O.
//
//   request-line = method SP request-target SP HTTP-version CRLF
//   field-line   = field-name ":" OWS field-value OWS CRLF
//   head         = request-line *field-line CRLF
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "message/request.h"

namespace cutwater::codec::http1 {

struct HeadLimits {
  size_t request_line = 16 * 1024;  // longer: 414; or half of limits.header, if that is more
  size_t field = 16 * 1024;         // longer: 431; likewise
  size_t total = 32 * 1024;         // limits.header; longer: 431
  size_t fields = 100;              // limits.header_count; more: 431
  bool only_plain_names = false;    // limits.header_names: names with other bytes than [A-Za-z0-9-]: 400
};

// Finds the end of a head that arrives in pieces. Linear in all bytes ever fed: each byte is looked at once.
class HeadScanner {
 public:
  enum class Outcome { kIncomplete, kComplete, kRefused };
  explicit HeadScanner(const HeadLimits& limits);
  // `bytes` is everything received of this head so far, growing from call to call. kComplete: `head_length`
  // bytes are the head, the empty line included; a few empty lines before it are allowed and counted (RFC
  // 9112 2.2). kRefused: `status` (400, 414, 431, 505) and `reason` for one log line.
  Outcome scan(std::string_view bytes);
  size_t head_length = 0;
  uint16_t status = 0;
  const char* reason = "";
  // For the next head, from the first byte after this one.
  void reset();

 private:
  bool in_request_line() const { return lines_ == 0; }
  bool check_method(std::string_view line);
  bool too_long(size_t at) const;
  Outcome end_line(std::string_view line);
  Outcome refuse(uint16_t code, const char* why);
  Outcome refuse_length();

  HeadLimits limits_;
  size_t scanned_ = 0;  // everything before was looked at
  size_t line_start_ = 0;
  size_t lines_ = 0;          // complete and not empty ones, the request line included
  size_t empty_lines_ = 0;    // before the request line
  size_t method_length_ = 0;  // bytes of the request line known to be a method, or one more once it ended
  bool method_ended_ = false;
};

struct ParseResult {
  uint16_t status = 0;      // 0: parsed; else refuse with it and close
  const char* reason = "";  // what was wrong, for the log
};

// `head` is a complete head and must outlive `request`; `decoded` receives what cannot be a view into it (the
// decoded path, the lower-cased authority) and must outlive the request too. Fills method, raw_target, path,
// query, authority, server_name, server_port, version, headers, framing, expectation, keep-alive. Scheme and
// addresses are the connection's; so is server_port where it is 0 (no port was named) and, for HTTP/1.0
// without Host, the authority and server_name, which are empty then. In the headers, hop-by-hop fields and
// those that Connection names are gone (but for framing and security fields, which cannot be named away);
// Host says what the authority says. 405 is for TRACE and CONNECT, the answer needs an Allow field (RFC 9110
// section 15.5.6): kAllowedMethods.
ParseResult parse_request_head(std::string_view head, const HeadLimits& limits, message::Request& request,
                               std::string& decoded);

inline constexpr std::string_view kAllowedMethods = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

}  // namespace cutwater::codec::http1
