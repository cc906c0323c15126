#include "message/range.h"

#include <algorithm>
#include <optional>

#include "base/text.h"
#include "message/grammar.h"

namespace cutwater::message {
namespace {

constexpr unsigned kMostRanges = 16;

// Digits only; what overflows counts as the largest number.
std::optional<uint64_t> parse_saturating(std::string_view digits) {
  if (digits.empty()) return std::nullopt;
  if (!std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; })) return std::nullopt;
  return base::parse_decimal(digits).value_or(UINT64_MAX);
}

// nullopt: malformed.
std::optional<ByteRange> parse_one(std::string_view spec, uint64_t size) {
  using Kind = ByteRange::Kind;
  size_t dash = spec.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  std::string_view last_text = spec.substr(dash + 1);
  if (dash == 0) {
    std::optional<uint64_t> suffix = parse_saturating(last_text);
    if (!suffix) return std::nullopt;
    if (*suffix == 0 || size == 0) return ByteRange{Kind::kUnsatisfiable};
    const uint64_t length = std::min(*suffix, size);  // more than there is asks for all of it (RFC 9110 14.1.2)
    return ByteRange{Kind::kPart, size - length, length};
  }
  std::optional<uint64_t> first = parse_saturating(spec.substr(0, dash));
  std::optional<uint64_t> last = last_text.empty() ? UINT64_MAX : parse_saturating(last_text);
  if (!first || !last || *last < *first) return std::nullopt;
  if (*first >= size) return ByteRange{Kind::kUnsatisfiable};
  return ByteRange{Kind::kPart, *first, std::min(*last, size - 1) - *first + 1};
}

}  // namespace

ByteRange parse_range(std::string_view value, uint64_t size) {
  constexpr std::string_view kUnit = "bytes=";
  if (!base::equals_ignoring_case(value.substr(0, kUnit.size()), kUnit)) return {};
  value.remove_prefix(kUnit.size());

  ByteRange answer;
  unsigned ranges = 0;
  bool any_satisfiable = false;
  unsigned elements = 0;
  while (!value.empty()) {
    if (++elements > kMostRanges) return {};
    std::string_view spec = next_list_element(value);
    if (spec.empty()) continue;
    std::optional<ByteRange> range = parse_one(spec, size);
    if (!range) return {};
    ++ranges;
    any_satisfiable |= range->kind != ByteRange::Kind::kUnsatisfiable;
    answer = *range;
  }
  if (ranges == 0 || (ranges > 1 && any_satisfiable)) return {};
  return answer;
}

ByteRange select_range(const Request& request, const Validators& validators, uint64_t size, int64_t now) {
  if (request.method != "GET" || request.headers.count("Range") != 1) return {};
  if (!if_range_allows(request, validators, now)) return {};
  return parse_range(*request.headers.get("Range"), size);
}

void append_content_range(std::string& to, const ByteRange& range, uint64_t size) {
  to += "bytes ";
  if (range.kind == ByteRange::Kind::kPart) {
    base::append_decimal(to, range.first);
    to += '-';
    base::append_decimal(to, range.first + range.length - 1);
  } else {
    to += '*';
  }
  to += '/';
  base::append_decimal(to, size);
}

}  // namespace cutwater::message
