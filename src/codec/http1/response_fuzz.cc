// What a back end answers: however its bytes are cut, the same answer; nothing that could break out of its line.
#include <cstdint>
#include <cstdlib>

#include "codec/http1/response_replay.h"
#include "message/grammar.h"

namespace {

using namespace cutwater::codec::http1;

void check_fields(std::string_view bytes) {
  ResponseScanner scanner{ResponseLimits{}};
  if (scanner.scan(bytes) != ResponseScanner::Outcome::kComplete) return;
  ParsedResponse parsed;
  if (parse_response_head(bytes.substr(0, scanner.head_length), "GET", ResponseLimits{}, parsed)) return;
  for (const auto& field : parsed.response.headers) {
    if (!cutwater::message::valid_field(field.name, field.value)) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view method = data[0] % 2 == 0 ? "GET" : "HEAD";
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const ResponseLimits small{.line = 200, .total = 1000, .fields = 10};
  const ResponseLimits limits = (data[0] & 2) != 0 ? small : ResponseLimits{};
  const std::string whole = replay_response(bytes, method, bytes.size(), 1, limits);
  const size_t cut = bytes.empty() ? 0 : (size * 31 + data[size / 2]) % bytes.size();
  if (replay_response(bytes, method, cut, bytes.size(), limits) != whole) std::abort();
  if (replay_response(bytes, method, 1, 1, limits) != whole) std::abort();
  check_fields(bytes);
  return 0;
}
