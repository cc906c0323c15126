// A FastCGI request as a web server sends it (specification sections 3 and 5): message in -> bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "codec/cgi_variables/variables.h"
#include "codec/fastcgi/record.h"

namespace cutwater::codec::fastcgi {

// The longest content that is a multiple of 8, and so needs no padding.
inline constexpr size_t kLongestPiece = kMostContent - kMostContent % 8;

// BEGIN_REQUEST and the whole of PARAMS, which may take many records. STDIN follows.
void append_request(std::string& to, uint16_t request_id, Role role, bool keep_connection, const Variables& variables);

// The header of an unpadded record; `content_length` bytes follow, at most kMostContent.
void append_header(std::string& to, RecordType type, uint16_t request_id, size_t content_length);

}  // namespace cutwater::codec::fastcgi
