// The names of variables that mean something to us, found by one look each: a request of a web server has some thirty.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

#include "codec/cgi_variables/variables.h"

namespace cutwater::codec {

enum class KnownVariable {
  kOther,
  // Read for what they say, and an app's to get as they are.
  kDocumentUri,
  kUwsgiScheme,
  // Read for what they say, or belong to a protocol: never an app's to get as they are.
  kRequestMethod,
  kRequestUri,
  kRequestScheme,
  kScriptName,
  kPathInfo,
  kQueryString,
  kContentType,
  kContentLength,
  kServerName,
  kServerPort,
  kServerProtocol,
  kServerSoftware,
  kRemoteAddr,
  kRemotePort,
  kHttps,
  kScgi,
  // Fields of HTTP that may come once.
  kHost,
  kAuthorization,
  kWebSocketKey,
  // Fields left out: between the client and the web server, or with a variable of their own, or of no field that may
  // become a variable.
  kTransferEncoding,
  kHttpContentLength,
  kOtherLeftOut,
};
inline constexpr size_t kKnownVariables = static_cast<size_t>(KnownVariable::kOtherLeftOut) + 1;

// Exact, in capitals.
KnownVariable known_variable(std::string_view name);

constexpr bool is_for_the_app(KnownVariable which) {
  return which <= KnownVariable::kUwsgiScheme;
}

constexpr bool is_left_out(KnownVariable which) {
  return which >= KnownVariable::kTransferEncoding;
}

// What the variables of a request say under those names: of several the last counts.
class KnownVariables {
 public:
  void note(const Variable& variable) {
    Entry& entry = entries_.at(static_cast<size_t>(known_variable(variable.name)));
    entry.value = variable.value;
    ++entry.count;
  }
  // Empty when there is none.
  std::string_view last(KnownVariable which) const { return entries_.at(static_cast<size_t>(which)).value; }
  size_t count(KnownVariable which) const { return entries_.at(static_cast<size_t>(which)).count; }

 private:
  struct Entry {
    std::string_view value;
    size_t count = 0;
  };
  std::array<Entry, kKnownVariables> entries_{};
};

}  // namespace cutwater::codec
