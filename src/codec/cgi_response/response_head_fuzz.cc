// However the bytes are cut, the same end and the same answer; nothing in it that could break out of its line.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "codec/cgi_response/response_head.h"
#include "message/grammar.h"

namespace {

using namespace cutwater::codec;
using Outcome = CgiHeadScanner::Outcome;

struct Scanned {
  Outcome outcome = Outcome::kIncomplete;
  size_t head_length = 0;
  std::string reason;
};

Scanned scan(std::string_view bytes, size_t step) {
  CgiHeadScanner scanner{ResponseLimits{.line = 200, .total = 1000, .fields = 10}};
  Scanned scanned;
  for (size_t given = 0; given < bytes.size() && scanned.outcome == Outcome::kIncomplete;) {
    given = step > bytes.size() - given ? bytes.size() : given + step;
    scanned = {scanner.scan(bytes.substr(0, given)), scanner.head_length, scanner.reason};
  }
  return scanned;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const Scanned whole = scan(bytes, size);
  for (size_t step : {size_t{1}, 1 + size % 13}) {
    const Scanned again = scan(bytes, step);
    if (again.outcome != whole.outcome || again.head_length != whole.head_length || again.reason != whole.reason)
      std::abort();
  }
  if (whole.outcome != Outcome::kComplete) return 0;
  if (whole.head_length > size) std::abort();
  CgiResponse parsed;
  if (parse_cgi_head(bytes.substr(0, whole.head_length), ResponseLimits{}, parsed)) return 0;
  if (parsed.response.status < 200 || parsed.response.status > 999) std::abort();
  if (!cutwater::message::is_field_value(parsed.response.reason)) std::abort();
  for (const auto& field : parsed.response.headers) {
    if (!cutwater::message::valid_field(field.name, field.value)) std::abort();
  }
  return 0;
}
