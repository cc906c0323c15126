#include "codec/http1/known_field.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace cutwater::codec::http1 {
namespace {

using base::equals_ignoring_case;

constexpr std::array<std::string_view, 9> kProtectedNames = {"Authorization", "Cookie", "Expect",  "Forwarded", "Host",
                                                             "Origin",        "Range",  "Referer", "Via"};
constexpr std::array<std::string_view, 8> kProtectedPrefixes = {"Content-",  "If-",    "Proxy-Auth",   "Sec-",
                                                                "X-Client-", "X-CSRF", "X-Forwarded-", "X-Real-"};

// For `name` a token and `lower` of letters and '-' alone: there, one bit is all that case can differ in.
template <size_t Size>
KnownField is(std::string_view name, const char (&lower)[Size], KnownField field) {
  if (name.size() != Size - 1 || (name.front() | 0x20) != lower[0]) return KnownField::kOther;
  unsigned difference = 0;
  const char* expected = lower;
  for (char c : name) difference |= static_cast<unsigned>((c | 0x20) ^ *expected++);
  return difference == 0 ? field : KnownField::kOther;
}

bool has_prefix(std::string_view name, std::string_view prefix) {
  return equals_ignoring_case(name.substr(0, prefix.size()), prefix);
}

}  // namespace

KnownField recognise_field(std::string_view name) {
  char first = base::ascii_lower(name.empty() ? '\0' : name.front());
  switch (name.size()) {
    case 2:
      return is(name, "te", KnownField::kHopByHop);
    case 4:
      return is(name, "host", KnownField::kHost);
    case 6:
      return is(name, "expect", KnownField::kExpect);
    case 7:
      if (first == 't') return is(name, "trailer", KnownField::kHopByHop);
      return is(name, "upgrade", KnownField::kHopByHop);
    case 10:
      if (first == 'c') return is(name, "connection", KnownField::kConnection);
      return first == 'k' ? is(name, "keep-alive", KnownField::kHopByHop) : KnownField::kOther;
    case 12:
      return is(name, "content-type", KnownField::kContentType);
    case 13:
      return first == 'a' ? is(name, "authorization", KnownField::kAuthorization) : KnownField::kOther;
    case 14:
      return is(name, "content-length", KnownField::kContentLength);
    case 16:
      return is(name, "proxy-connection", KnownField::kHopByHop);
    case 17:
      if (first == 't') return is(name, "transfer-encoding", KnownField::kTransferEncoding);
      return first == 's' ? is(name, "sec-websocket-key", KnownField::kWebSocketKey) : KnownField::kOther;
    default:
      return KnownField::kOther;
  }
}

bool removable_by_connection(std::string_view option) {
  auto names = [option](std::string_view name) { return equals_ignoring_case(option, name); };
  auto begins = [option](std::string_view prefix) { return has_prefix(option, prefix); };
  return std::none_of(kProtectedNames.begin(), kProtectedNames.end(), names) &&
         std::none_of(kProtectedPrefixes.begin(), kProtectedPrefixes.end(), begins);
}

}  // namespace cutwater::codec::http1
