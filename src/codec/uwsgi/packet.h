// uwsgi packet (the protocol of uWSGI, its documentation "The uwsgi protocol"): 4 bytes of header, then pairs; what
// follows is the body, CONTENT_LENGTH bytes of it. The answer is an HTTP response, ended by the connection's end.
//
//   u8 modifier1 | u16 bytes of the pairs | u8 modifier2           pair = u16 length, name, u16 length, value
//   All numbers little-endian. modifier1 0 is a WSGI request, and so is 30, whose PATH_INFO begins with SCRIPT_NAME;
//   nothing else is served.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "codec/cgi_variables/variables.h"

namespace cutwater::codec::uwsgi {

inline constexpr size_t kHeaderBytes = 4;
inline constexpr size_t kMostPairBytes = 65535;
// modifier1
inline constexpr uint8_t kWsgi = 0;
inline constexpr uint8_t kWsgiBelowScriptName = 30;

struct PacketResult {
  enum Kind { kIncomplete, kComplete, kMalformed, kTooLarge, kOtherModifier } kind = kIncomplete;
  size_t consumed = 0;    // with kComplete: the body follows
  size_t needed = 0;      // with kIncomplete: it cannot be complete with fewer bytes
  uint8_t modifier1 = 0;  // with kOtherModifier
  const char* reason = "";
};

// `bytes` is everything received of this connection so far and outlives `variables`, which get all pairs with
// kComplete. Look again when there are `needed` bytes.
PacketResult read_packet(std::string_view bytes, const VariableLimits& limits, Variables& variables);

// False, and nothing is appended: the pairs take more than 65535 bytes, which the header cannot say (CVE-2020-11984).
bool append_packet(std::string& to, uint8_t modifier1, uint8_t modifier2, const Variables& variables);

}  // namespace cutwater::codec::uwsgi
