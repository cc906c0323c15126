#include "codec/scgi/request_head.h"

#include <algorithm>
#include <optional>

#include "base/text.h"

namespace cutwater::codec::scgi {
namespace {

// Digits of the netstring's length, before its ":". More of them are no head of any web server, which would be told
// that it is too large, but another protocol or an attack: closed without a word (faults.md 101).
constexpr size_t kLongestLength = 10;
constexpr std::string_view kContentLength = "CONTENT_LENGTH";
constexpr std::string_view kScgi = "SCGI";

HeadResult incomplete(size_t needed) {
  HeadResult result;
  result.needed = needed;
  return result;
}

HeadResult refuse(HeadResult::Kind kind, const char* reason) {
  HeadResult result;
  result.kind = kind;
  result.reason = reason;
  return result;
}

HeadResult malformed(const char* reason) {
  return refuse(HeadResult::kMalformed, reason);
}

// The text before the next NUL, which is taken off too.
std::optional<std::string_view> next_text(std::string_view& rest) {
  const size_t end = rest.find('\0');
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view text = rest.substr(0, end);
  rest.remove_prefix(end + 1);
  return text;
}

// nullptr, or what is wrong.
const char* read_headers(std::string_view headers, Variables& variables) {
  while (!headers.empty()) {
    const auto name = next_text(headers);
    const auto value = next_text(headers);
    if (!name || !value || name->empty()) return "headers that are no list of names and values";
    variables.push_back({*name, *value});
  }
  return nullptr;
}

size_t count(const Variables& variables, std::string_view name) {
  return static_cast<size_t>(std::count_if(variables.begin(), variables.end(),
                                           [name](const Variable& variable) { return variable.name == name; }));
}

const char* check_headers(const Variables& variables, uint64_t& content_length) {
  if (variables.empty() || variables.front().name != kContentLength) return "CONTENT_LENGTH is not the first header";
  if (count(variables, kContentLength) != 1) return "CONTENT_LENGTH twice";
  const auto length = base::parse_decimal(variables.front().value);
  if (!length) return "CONTENT_LENGTH is no number";
  content_length = *length;
  const auto scgi =
      std::find_if(variables.begin(), variables.end(), [](const Variable& variable) { return variable.name == kScgi; });
  if (count(variables, kScgi) != 1 || scgi->value != "1") return "SCGI is not 1";
  return nullptr;
}

}  // namespace

HeadResult read_request_head(std::string_view bytes, const VariableLimits& limits, Variables& variables) {
  const size_t colon = bytes.substr(0, kLongestLength + 1).find(':');
  if (colon == std::string_view::npos) {
    const bool digits = bytes.substr(0, kLongestLength + 1).find_first_not_of("0123456789") == std::string_view::npos;
    if (!digits || bytes.size() > kLongestLength) return malformed("no length before a colon");
    return incomplete(bytes.size() + 1);
  }
  const std::string_view digits = bytes.substr(0, colon);
  const auto length = base::parse_decimal(digits);
  if (!length || digits.front() == '0') return malformed("no length of a netstring");
  if (*length > limits.bytes) return refuse(HeadResult::kTooLarge, "headers over the limit");
  const size_t whole = colon + 1 + static_cast<size_t>(*length) + 1;
  if (bytes.size() < whole) return incomplete(whole);
  if (bytes.substr(whole - 1, 1) != ",") return malformed("no comma behind the headers");

  HeadResult result;
  const char* problem = read_headers(bytes.substr(colon + 1, static_cast<size_t>(*length)), variables);
  if (problem == nullptr) problem = check_headers(variables, result.content_length);
  if (problem != nullptr) return malformed(problem);
  if (variables.size() > limits.count) return refuse(HeadResult::kTooLarge, "too many headers");
  result.kind = HeadResult::kComplete;
  result.consumed = whole;
  return result;
}

bool append_request_head(std::string& to, uint64_t content_length, const Variables& variables) {
  std::string headers;
  const auto append = [&headers](std::string_view text) {
    headers += text;
    headers += '\0';
  };
  append(kContentLength);
  std::string digits;
  base::append_decimal(digits, content_length);
  append(digits);
  append(kScgi);
  append("1");
  for (const Variable& variable : variables) {
    if (variable.name == kContentLength || variable.name == kScgi) continue;
    if (variable.name.empty() || variable.name.find('\0') != std::string_view::npos ||
        variable.value.find('\0') != std::string_view::npos)
      return false;
    append(variable.name);
    append(variable.value);
  }
  base::append_decimal(to, headers.size());
  to += ':';
  to += headers;
  to += ',';
  return true;
}

}  // namespace cutwater::codec::scgi
