// Small readers of field values: authorities, dates, ranges, entity tags. Nothing they give may be out of
// bounds.
#include <cstdlib>
#include <string>

#include "message/authority.h"
#include "message/conditional.h"
#include "message/grammar.h"
#include "message/http_date.h"
#include "message/range.h"

namespace {

using namespace cutwater::message;

void check_authority(std::string_view text) {
  auto authority = parse_authority(text);
  if (!authority) return;
  if (authority->host.empty() || !is_field_value(authority->text)) std::abort();
  auto again = parse_authority(authority->text);
  if (!again || again->host != authority->host || again->port != authority->port) std::abort();
}

void check_date(std::string_view text) {
  constexpr int64_t kNow = 1767225600;
  auto moment = parse_http_date(text, kNow);
  if (moment && parse_http_date(format_http_date(*moment), kNow) != moment) std::abort();
}

void check_range(std::string_view text) {
  for (uint64_t size : {uint64_t{0}, uint64_t{1}, uint64_t{1000}, UINT64_MAX}) {
    ByteRange range = parse_range(text, size);
    if (range.kind != ByteRange::Kind::kPart) continue;
    if (range.length == 0 || range.first >= size || range.length > size - range.first) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  check_authority(text);
  check_date(text);
  check_range(text);
  Request request;
  request.method = "GET";
  for (const char* name : {"If-Match", "If-None-Match", "If-Range"}) request.headers.add(name, text);
  evaluate_preconditions(request, {"\"v1\"", 0}, 0);
  if_range_allows(request, {"\"v1\"", 0}, 0);
  for (std::string_view rest = text; !rest.empty();) next_list_element(rest);
  return 0;
}
