// What is complete is so in one piece only, and can be written and read again.
#include <cstdlib>

#include "codec/scgi/request_head.h"

namespace scgi = cutwater::codec::scgi;
using scgi::HeadResult;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  cutwater::codec::Variables variables;
  const HeadResult whole = scgi::read_request_head(bytes, {}, variables);
  if (whole.kind == HeadResult::kIncomplete && whole.needed <= size) std::abort();
  if (whole.kind != HeadResult::kComplete) return 0;
  if (whole.consumed > size) std::abort();
  cutwater::codec::Variables fewer;
  if (scgi::read_request_head(bytes.substr(0, whole.consumed - 1), {}, fewer).kind != HeadResult::kIncomplete)
    std::abort();
  std::string again;
  if (!scgi::append_request_head(again, whole.content_length, variables)) std::abort();
  cutwater::codec::Variables read_again;
  cutwater::codec::VariableLimits wide{1 << 20, 1 << 16};
  const HeadResult second = scgi::read_request_head(again, wide, read_again);
  if (second.kind != HeadResult::kComplete || second.content_length != whole.content_length ||
      read_again.size() != variables.size())
    std::abort();
  return 0;
}
