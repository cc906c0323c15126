// The head of a CGI response (RFC 3875 section 6), as FastCGI, SCGI and CGI programs write it: bytes in -> a Response,
// or why it cannot be believed (faults.md 104, 105, 116b). No I/O.
//
//   head = *( field-name ":" OWS [ field-value ] OWS NL ) NL            NL = LF / CR LF
//   Status = 3DIGIT [ SP reason-phrase ]       the status; without it 200, or 302 with Location
//   Location = absolute URL, or, with nothing else that counts, a path of this server that answers instead
#pragma once

#include <cstddef>
#include <string_view>

#include "codec/http1/response_parser.h"
#include "message/response.h"

namespace cutwater::codec {

using http1::ResponseLimits;

// Finds the end of a head that arrives in pieces; each byte is looked at once.
class CgiHeadScanner {
 public:
  enum class Outcome { kIncomplete, kComplete, kRefused };
  explicit CgiHeadScanner(const ResponseLimits& limits) : limits_(limits) {}
  // `bytes` is everything received of this head so far. kComplete: `head_length` bytes are the head, the empty line
  // included. kRefused: `reason` says why it is none.
  Outcome scan(std::string_view bytes);
  size_t head_length = 0;
  const char* reason = "";

 private:
  Outcome refuse(const char* why);

  ResponseLimits limits_;
  size_t scanned_ = 0;
  size_t line_start_ = 0;
  size_t lines_ = 0;
};

struct CgiResponse {
  message::Response response;  // without Status, framing and hop-by-hop fields
  std::string_view local_redirect;
};

// `head` is a complete head and must outlive `parsed`. Gives nullptr, or why the head is refused.
const char* parse_cgi_head(std::string_view head, const ResponseLimits& limits, CgiResponse& parsed);

}  // namespace cutwater::codec
