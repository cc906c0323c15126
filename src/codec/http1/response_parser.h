// HTTP/1.1 response head, as a client reads it, strict (faults.md 104-106, 116): bytes in -> a Response and how its
// body is framed, or why it cannot be believed. No I/O.
//
//   status-line = "HTTP/1." DIGIT SP 3DIGIT [ SP reason-phrase ] CRLF
//   head        = status-line *field-line CRLF
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "codec/http1/body_decoder.h"
#include "message/response.h"

namespace cutwater::codec::http1 {

struct ResponseLimits {
  size_t line = 16 * 1024;  // status line and each field
  size_t total = 64 * 1024;
  size_t fields = 200;

  // Why a line that begins at `line_start` of the head and reaches to `at` is too much; nullptr if it is not. Of the
  // two limits the one that was reached first counts, however far the bytes that came at once go beyond both.
  const char* excess(size_t line_start, size_t at) const;
};

// Finds the end of a head that arrives in pieces; each byte is looked at once.
class ResponseScanner {
 public:
  enum class Outcome { kIncomplete, kComplete, kRefused };
  explicit ResponseScanner(const ResponseLimits& limits) : limits_(limits) {}
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

enum class ResponseBodyFraming : uint8_t { kNone, kLength, kChunked, kUntilClose };

struct ParsedResponse {
  message::Response response;  // hop-by-hop fields, framing and what Connection names are gone from its headers
  ResponseBodyFraming framing = ResponseBodyFraming::kNone;
  uint64_t content_length = 0;  // with kLength
  bool keep_alive = false;      // the connection may have another request when the body has ended
};

// `head` is a complete head and must outlive `parsed`; `method` is the request's. Gives nullptr, or why the head is
// refused. A status of 1xx is an interim answer: another head follows.
const char* parse_response_head(std::string_view head, std::string_view method, const ResponseLimits& limits,
                                ParsedResponse& parsed);

// The body of a response. As BodyDecoder, which does the work, but that the connection's end may be the body's.
class ResponseBodyDecoder {
 public:
  ResponseBodyDecoder(ResponseBodyFraming framing, uint64_t content_length);
  BodyDecoder::Step decode(std::string_view bytes);
  bool finished() const { return !until_close_ && framed_.finished(); }
  // The peer has sent its last byte, in order: whether that completes the body.
  bool complete_at_end() const { return until_close_ || framed_.finished(); }

 private:
  bool until_close_;
  BodyDecoder framed_;
};

}  // namespace cutwater::codec::http1
