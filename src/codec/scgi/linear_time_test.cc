// The time to read variables, and to write them, grows with their bytes and not with the square of their number
// (faults.md 42).
#include <gtest/gtest.h>

#include <deque>
#include <string>

#include "base/linear_time_test_support.h"
#include "codec/scgi/request_head.h"

namespace cutwater::codec::scgi {
namespace {

constexpr size_t kCount = 5'000;

struct Head {
  Head(size_t count, bool equal) {
    for (size_t i = 0; i < count; ++i) names.push_back("A" + (equal ? "" : std::to_string(i)));
    for (const std::string& name : names) variables.push_back({name, "value"});
    if (!append_request_head(bytes, 0, variables)) ADD_FAILURE();
  }
  std::deque<std::string> names;
  Variables variables;
  std::string bytes;
};

TEST(LinearTime, ReadingAHead) {
  for (bool equal : {false, true}) {
    auto make = [equal](size_t count) { return Head(count, equal); };
    auto read = [](const Head& head) {
      Variables variables;
      if (read_request_head(head.bytes, {SIZE_MAX, SIZE_MAX}, variables).kind != HeadResult::kComplete) ADD_FAILURE();
    };
    EXPECT_LT(base::growth_when_doubled(kCount, make, read), base::kLinear) << equal;
  }
}

TEST(LinearTime, WritingAHead) {
  auto make = [](size_t count) { return Head(count, false); };
  auto write = [](const Head& head) {
    std::string bytes;
    if (!append_request_head(bytes, 0, head.variables)) ADD_FAILURE();
  };
  EXPECT_LT(base::growth_when_doubled(kCount, make, write), base::kLinear);
}

}  // namespace
}  // namespace cutwater::codec::scgi
