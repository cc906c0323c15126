// Heads that we write, of fields with any bytes: a strict reader finds one head, and in it no field that was not given.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "codec/http1/request_encoder.h"
#include "codec/http1/request_parser.h"
#include "codec/http1/response_encoder.h"
#include "codec/http1/response_parser.h"

namespace {

using namespace cutwater;
using namespace cutwater::codec::http1;

// Lines of names and values, which may hold every byte but the two that part them here.
message::Headers fields_of(std::string_view bytes) {
  message::Headers headers;
  while (!bytes.empty()) {
    const std::string_view line = bytes.substr(0, bytes.find('\xfe'));
    bytes.remove_prefix(std::min(bytes.size(), line.size() + 1));
    const size_t end = line.find('\xff');
    if (end != std::string_view::npos) headers.add(line.substr(0, end), line.substr(end + 1));
  }
  return headers;
}

void check_given(const message::Headers& read, const message::Headers& given,
                 const std::vector<std::string_view>& ours) {
  for (const message::HeaderField& field : read) {
    const bool is_ours = std::find(ours.begin(), ours.end(), field.name) != ours.end();
    const bool is_given = std::any_of(given.begin(), given.end(), [&](const message::HeaderField& one) {
      return one.name == field.name && one.value.find(field.value) != std::string_view::npos;
    });
    if (!is_ours && !is_given) std::abort();
  }
}

void check_request(const message::Headers& headers, uint8_t choice) {
  constexpr message::BodyFraming kFramings[] = {message::BodyFraming::kNone, message::BodyFraming::kLength,
                                                message::BodyFraming::kChunked};
  const message::BodyFraming framing = kFramings[choice % 3];
  std::string bytes;
  append_request_head(bytes, {"PUT", "/a?b", "a.example", headers, framing, 7, choice % 2 == 0});
  HeadLimits limits;
  limits.total = limits.field = 1 << 20;
  limits.fields = 1 << 16;
  HeadScanner scanner(limits);
  const auto scanned = scanner.scan(bytes);
  if (scanned == HeadScanner::Outcome::kRefused) return;
  if (scanned != HeadScanner::Outcome::kComplete || scanner.head_length != bytes.size()) std::abort();
  message::Request request;
  std::string decoded;
  // What may come once only, or contradicts itself, is refused, never misread.
  if (parse_request_head(bytes, limits, request, decoded).status != 0) return;
  if (request.method != "PUT" || request.raw_target != "/a?b" || request.authority != "a.example") std::abort();
  const bool has_length = framing != message::BodyFraming::kChunked;
  if (request.framing != (has_length ? message::BodyFraming::kLength : message::BodyFraming::kChunked)) std::abort();
  if (has_length && request.content_length != (framing == message::BodyFraming::kLength ? 7u : 0u)) std::abort();
  check_given(request.headers, headers, {"Host", "Content-Length", "Transfer-Encoding"});
}

void check_response(const message::Headers& headers, uint8_t choice) {
  message::Response response;
  response.headers = headers;
  if (choice % 2 == 0) response.content_length = 7;
  EncodeContext context;
  context.keep_alive = choice % 4 < 2;
  context.date = "Sun, 06 Nov 1994 08:49:37 GMT";
  std::string bytes;
  append_response_head(bytes, response, context);
  ResponseLimits limits;
  limits.line = limits.total = 1 << 20;
  limits.fields = 1 << 16;
  ResponseScanner scanner(limits);
  const auto scanned = scanner.scan(bytes);
  if (scanned == ResponseScanner::Outcome::kRefused) return;
  if (scanned != ResponseScanner::Outcome::kComplete || scanner.head_length != bytes.size()) std::abort();
  ParsedResponse parsed;
  if (parse_response_head(bytes, "GET", limits, parsed)) return;
  if (parsed.response.status != 200) std::abort();
  check_given(parsed.response.headers, headers, {"Date", "Content-Length", "Transfer-Encoding", "Connection"});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const message::Headers headers = fields_of({reinterpret_cast<const char*>(data) + 1, size - 1});
  check_request(headers, *data);
  check_response(headers, *data);
  return 0;
}
