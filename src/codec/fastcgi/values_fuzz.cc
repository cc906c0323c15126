// What is said to GET_VALUES: more bytes behind an answer change nothing, fewer need more or are as malformed.
#include <cstdlib>

#include "codec/fastcgi/values.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace cutwater::codec::fastcgi;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const ValuesAnswer whole = read_values_answer(bytes);
  if (whole.consumed > size || (whole.kind == ValuesAnswer::kAnswered) != (whole.consumed > 0)) std::abort();
  if (whole.kind != ValuesAnswer::kAnswered) return 0;
  const ValuesAnswer exact = read_values_answer(bytes.substr(0, whole.consumed));
  if (exact.kind != whole.kind || exact.consumed != whole.consumed) std::abort();
  if (exact.multiplexes != whole.multiplexes || exact.most_requests != whole.most_requests) std::abort();
  if (read_values_answer(bytes.substr(0, whole.consumed - 1)).kind != ValuesAnswer::kNeedMore) std::abort();
  return 0;
}
