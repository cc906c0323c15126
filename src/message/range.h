// Range requests (RFC 9110 section 14), one range at most: a request for several gets the whole
// representation, which any server may do.
//
//   Range = "bytes=" 1#( first "-" [ last ] / "-" suffix-length )
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "message/conditional.h"
#include "message/request.h"

namespace cutwater::message {

struct ByteRange {
  enum class Kind {
    kWhole,          // no usable range: 200 with everything
    kPart,           // 206 with `length` bytes from `first`
    kUnsatisfiable,  // 416
  };
  Kind kind = Kind::kWhole;
  uint64_t first = 0;
  uint64_t length = 0;
};

// For one Range field's value and a representation of `size` bytes. Anything malformed gives kWhole, as if
// the field were absent; numbers too large for 64 bits count as the largest. A suffix longer than the
// representation is all of it: kWhole. Not more than 16 ranges of a list are looked at (faults.md 58).
ByteRange parse_range(std::string_view value, uint64_t size);

// As above, for a whole request: Range counts for GET alone, once, and when If-Range allows. Call it after
// evaluate_preconditions said kProceed.
ByteRange select_range(const Request& request, const Validators& validators, uint64_t size, int64_t now);

// Value of Content-Range: "bytes 0-9/100" with kPart, "bytes */100" with kUnsatisfiable.
void append_content_range(std::string& to, const ByteRange& range, uint64_t size);

}  // namespace cutwater::message
