// The request line, shared by the scanner (early refusal) and the parser. Private to codec/http1.
//
//   request-line = method SP request-target SP "HTTP/" DIGIT "." DIGIT
#pragma once

#include <cstdint>
#include <string_view>

#include "codec/http1/request_parser.h"

namespace cutwater::codec::http1 {

inline constexpr size_t kLongestMethod = 64;
inline constexpr size_t kMostLeadingEmptyLines = 4;

// Whether `line`, without CRLF, ends as a request line of HTTP/1.x does; else 400, or 505 for another major
// version.
ParseResult check_version(std::string_view line);

struct RequestLine {
  std::string_view method;
  std::string_view target;
  uint8_t version_minor = 1;  // 0 or 1; later ones are spoken to as 1.1
};
ParseResult split_request_line(std::string_view line, RequestLine& split);

}  // namespace cutwater::codec::http1
