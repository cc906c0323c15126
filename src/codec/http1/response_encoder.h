// Response head and chunk framing for HTTP/1.1 (RFC 9112), and the head that web servers expect by the gateway
// protocols: message in -> bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "message/response.h"

namespace cutwater::codec::http1 {

enum class ResponseFraming { kNone, kLength, kChunked, kUntilClose };

struct EncodeContext {
  bool head_request = false;
  uint8_t version_minor = 1;  // of the request: 1.0 never gets chunks or 1xx
  bool keep_alive = true;
  std::string_view date;                    // the IMF-fixdate of this second, cached by the caller
  std::optional<uint64_t> whole_body = {};  // its length, for a response that does not say one
};

// Appends status line, Date, the response's fields, framing and Connection. Says how the body must be framed
// and whether the connection can live on.
struct EncodedHead {
  ResponseFraming framing;
  bool keep_alive;
};
EncodedHead append_response_head(std::string& to, const message::Response& response, const EncodeContext& context);
// For a web server in front, whose the framing, Date and Connection are: uwsgi has a status line, SCGI and FastCGI
// begin with "Status: 200 OK" (RFC 3875 section 6.3.3). The end of the body is the protocol's matter.
enum class StatusForm { kStatusLine, kStatusField };
void append_gateway_head(std::string& to, const message::Response& response, StatusForm form,
                         std::optional<uint64_t> whole_body = {});
void append_informational(std::string& to, const message::Response& response);
void append_switching_head(std::string& to, const message::Response& response);  // 101; HTTP ends behind it
void append_chunk_start(std::string& to, size_t length);  // "1a\r\n"; after the data comes "\r\n"
inline constexpr std::string_view kChunkEnd = "\r\n";
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";
// The last chunk with a trailer section, without the fields that may not stand there (RFC 9110 section 6.5.1).
void append_last_chunk(std::string& to, const message::Headers& trailers);

}  // namespace cutwater::codec::http1
