// Conditional requests (RFC 9110 section 13): whether a representation must be sent at all. For whoever has a
// file or a cached answer with validators; applications answer their own conditions.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "message/request.h"

namespace cutwater::message {

// What is known of the selected representation. Times are seconds since 1970.
struct Validators {
  std::string_view etag;  // as in the ETag field: "\"abc\"" or "W/\"abc\""; empty: none
  std::optional<int64_t> last_modified;
};

enum class Precondition {
  kProceed,
  kNotModified,  // answer 304
  kFailed,       // answer 412
};

// Evaluates If-Match, If-Unmodified-Since, If-None-Match, If-Modified-Since in the order of section 13.2.2,
// for a representation that exists. Only for requests that would get 2xx without them.
Precondition evaluate_preconditions(const Request& request, const Validators& validators, int64_t now);

// Whether a Range field may be honoured: there is no If-Range, or it names exactly what is here
// (section 13.1.5).
bool if_range_allows(const Request& request, const Validators& validators, int64_t now);

}  // namespace cutwater::message
