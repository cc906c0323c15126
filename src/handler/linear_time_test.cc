// Field values that the front itself reads beyond the head's grammar (faults.md 41, 42): twice as long takes at most
// twice as long.
#include <string>

#include "base/linear_time_test_support.h"
#include "handler/forwarded.h"
#include "handler/handler_test_support.h"
#include "handler/log_line.h"
#include "message/conditional.h"
#include "message/range.h"

namespace cutwater::handler {
namespace {

constexpr size_t kSize = 50'000;

std::string repeated(std::string_view text, size_t count) {
  std::string all;
  for (size_t i = 0; i < count; ++i) all += text;
  return all;
}

TEST(LinearTime, ForwardingFields) {
  auto trusted = TrustedNetworks::parse({"*"});
  ASSERT_TRUE(trusted);
  ForwardedFilter filter(std::move(*trusted));
  const std::pair<const char*, const char*> kCases[] = {
      {"X-Forwarded-For", ","}, {"X-Forwarded-For", "10.0.0.1,"}, {"X-Forwarded-For", "\""},
      {"Forwarded", ";"},       {"Forwarded", "for=10.0.0.1,"},   {"Forwarded", "for=\";\";"},
      {"Forwarded", "\""},      {"X-Forwarded-Proto", "https,"},
  };
  for (const auto& [name, piece] : kCases) {
    auto filtered = [&filter, field = name](const std::string& value) {
      message::Request request;
      request.authority = "a";
      request.headers.add("X-Forwarded-For", "10.0.0.1");
      request.headers.add(field, value);
      std::string storage;
      filter.filter(request, {"127.0.0.1", 1, false}, {}, storage);
    };
    auto value_of = [text = piece](size_t count) { return repeated(text, count); };
    EXPECT_LT(base::growth_when_doubled(kSize, value_of, filtered), base::kLinear) << name << ": " << piece << "...";
  }
}

TEST(LinearTime, ConditionsAndRanges) {
  const std::pair<const char*, const char*> kCases[] = {
      {"If-None-Match", "\"a\","}, {"If-None-Match", ","}, {"If-Match", "W/\"a\" ,"},
      {"If-Range", "\"a\","},      {"Range", "0-,"},
  };
  for (const auto& [name, piece] : kCases) {
    auto judge = [field = name](const std::string& value) {
      message::Request request;
      request.method = "GET";
      request.headers.add(field, value);
      const message::Validators validators{"\"b\"", 1};
      message::evaluate_preconditions(request, validators, 1000);
      message::select_range(request, validators, 1000, 1000);
    };
    auto value_of = [field = std::string_view(name), text = piece](size_t count) {
      return (field == "Range" ? "bytes=" : "") + repeated(text, count * 4);
    };
    EXPECT_LT(base::growth_when_doubled(kSize, value_of, judge), base::kLinear) << name << ": " << piece << "...";
  }
}

TEST(LinearTime, LogLines) {
  for (const char* piece : {"\xe2\x80\xa8", "\"", "\xff", "\xf0", "x"}) {
    auto log = [](const std::string& value) {
      message::Request request;
      request.method = "GET";
      request.raw_target = value;
      request.headers.add("User-Agent", value);
      std::string line;
      append_json(line, {}, {request, "10.0.0.1", {200, 1, {}, false, nullptr}});
      append_combined(line, {}, {request, "10.0.0.1", {200, 1, {}, false, nullptr}});
    };
    auto value_of = [text = piece](size_t count) { return repeated(text, count); };
    EXPECT_LT(base::growth_when_doubled(kSize, value_of, log), base::kLinear) << piece;
  }
}

}  // namespace
}  // namespace cutwater::handler
