// SCGI request head (the protocol's specification, 2006): a netstring of NUL-ended names and values, then the body.
//
//   head   = length ":" headers ","          length = decimal, no leading zero
//   headers = "CONTENT_LENGTH" NUL digits NUL *( name NUL value NUL )     one of them SCGI = 1
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "codec/cgi_variables/variables.h"

namespace cutwater::codec::scgi {

struct HeadResult {
  enum Kind { kIncomplete, kComplete, kMalformed, kTooLarge } kind = kIncomplete;
  size_t consumed = 0;  // with kComplete: the body follows
  size_t needed = 0;    // with kIncomplete: it cannot be complete with fewer bytes
  uint64_t content_length = 0;
  const char* reason = "";
};

// `bytes` is everything received of this connection so far and outlives `variables`, which get all of them with
// kComplete. Look again when there are `needed` bytes.
HeadResult read_request_head(std::string_view bytes, const VariableLimits& limits, Variables& variables);

// CONTENT_LENGTH and SCGI are written first, and left out of `variables` should they be there; no name or value may
// hold a NUL (false, and nothing is appended).
bool append_request_head(std::string& to, uint64_t content_length, const Variables& variables);

}  // namespace cutwater::codec::scgi
