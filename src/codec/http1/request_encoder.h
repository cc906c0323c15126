// Request head for HTTP/1.1, as a client sends it (RFC 9112): message in -> bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "message/headers.h"
#include "message/request.h"

namespace cutwater::codec::http1 {

struct RequestHead {
  std::string_view method;          // a token
  std::string_view target;          // origin-form, visible ASCII
  std::string_view authority;       // for Host
  const message::Headers& headers;  // Host, Expect, framing and hop-by-hop fields in them are left out
  message::BodyFraming framing = message::BodyFraming::kNone;
  uint64_t content_length = 0;    // with kLength
  bool close = false;             // the connection ends after the answer
  std::string_view upgrade = {};  // protocols to switch to, or nothing
};

// Appends request line, Host, fields, framing and Connection. A field that could break out of its line is left out.
void append_request_head(std::string& to, const RequestHead& head);

// Whether repeating a request has the effect of sending it once (RFC 9110 section 9.2.2).
bool is_idempotent(std::string_view method);

}  // namespace cutwater::codec::http1
