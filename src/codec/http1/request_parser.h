// HTTP/1.1 request head, RFC 9112, strict (faults.md 1A): bytes in -> a Request or the status to refuse with. No I/O.
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
  size_t request_line = 16 * 1024;  // longer: 414
  size_t field = 16 * 1024;         // longer: 431
  size_t total = 32 * 1024;         // limits.header; longer: 431
  size_t fields = 100;              // limits.header_count; more: 431
};

// Finds the end of a head that arrives in pieces. Linear in all bytes ever fed: each byte is looked at once.
class HeadScanner {
 public:
  enum class Outcome { kIncomplete, kComplete, kRefused };
  explicit HeadScanner(const HeadLimits& limits);
  // `bytes` is everything received of this head so far, growing from call to call. kComplete: `head_length` bytes
  // are the head, the empty line included; a few empty lines before it are allowed and counted (RFC 9112 2.2).
  // kRefused: `status` (400, 414, 431, 505) and `reason` for one log line.
  Outcome scan(std::string_view bytes);
  size_t head_length = 0;
  uint16_t status = 0;
  const char* reason = "";
  void reset();

 private:
  HeadLimits limits_;
  size_t scanned_ = 0;
  size_t line_start_ = 0;
  size_t lines_ = 0;
};

struct ParseResult {
  uint16_t status = 0;       // 0: parsed; else refuse with it and close
  const char* reason = "";   // what was wrong, for the log
};

// `head` is a complete head and must outlive `request`; `decoded` receives what cannot be a view into it (the
// decoded path, the lower-cased authority) and must outlive the request too. Fills method, raw_target, path, query,
// authority, version, headers, framing, expectation, keep-alive. Scheme and addresses are the connection's.
ParseResult parse_request_head(std::string_view head, const HeadLimits& limits, message::Request& request,
                               std::string& decoded);

}  // namespace cutwater::codec::http1
