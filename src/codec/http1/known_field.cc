#include "codec/http1/known_field.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace cutwater::codec::http1 {
namespace {

using base::equals_ignoring_case;

constexpr std::array<std::string_view, 9> kProtectedNames = {
    "Authorization", "Cookie", "Expect", "Forwarded", "Host", "Origin", "Range", "Referer", "Via"};
constexpr std::array<std::string_view, 8> kProtectedPrefixes = {
    "Content-", "If-", "Proxy-Auth", "Sec-", "X-Client-", "X-CSRF", "X-Forwarded-", "X-Real-"};

bool has_prefix(std::string_view name, std::string_view prefix) {
  return equals_ignoring_case(name.substr(0, prefix.size()), prefix);
}

}  // namespace

KnownField recognise_field(std::string_view name) {
  auto is = [name](std::string_view known, KnownField field) {
    return equals_ignoring_case(name, known) ? field : KnownField::kOther;
  };
  char first = base::ascii_lower(name.empty() ? '\0' : name.front());
  switch (name.size()) {
    case 2: return is("te", KnownField::kHopByHop);
    case 4: return is("host", KnownField::kHost);
    case 6: return first == 'e' ? is("expect", KnownField::kExpect) : KnownField::kOther;
    case 7: return is(first == 't' ? "trailer" : "upgrade", KnownField::kHopByHop);
    case 10:
      if (first == 'c') return is("connection", KnownField::kConnection);
      return first == 'k' ? is("keep-alive", KnownField::kHopByHop) : KnownField::kOther;
    case 12: return is("content-type", KnownField::kContentType);
    case 13: return first == 'a' ? is("authorization", KnownField::kAuthorization) : KnownField::kOther;
    case 14: return is("content-length", KnownField::kContentLength);
    case 16: return is("proxy-connection", KnownField::kHopByHop);
    case 17:
      if (first == 't') return is("transfer-encoding", KnownField::kTransferEncoding);
      return is("sec-websocket-key", KnownField::kWebSocketKey);
    default: return KnownField::kOther;
  }
}

bool removable_by_connection(std::string_view option) {
  auto names = [option](std::string_view name) { return equals_ignoring_case(option, name); };
  auto begins = [option](std::string_view prefix) { return has_prefix(option, prefix); };
  return std::none_of(kProtectedNames.begin(), kProtectedNames.end(), names) &&
         std::none_of(kProtectedPrefixes.begin(), kProtectedPrefixes.end(), begins);
}

}  // namespace cutwater::codec::http1
