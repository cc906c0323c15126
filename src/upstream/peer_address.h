// Where a peer listens: "10.0.0.5:8000", "[::1]:8000", "name:8000" or "unix:/run/api.sock".
#pragma once

#include <sys/socket.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace cutwater::upstream {

struct PeerAddress {
  std::string text;        // as configured
  std::string found = {};  // where a name was found to be: "10.0.0.5"; else empty
  sockaddr_storage raw{};
  socklen_t length = 0;

  // For messages: "10.0.0.5:8000", "name:8000 (10.0.0.5)".
  std::string label() const { return found.empty() ? text : text + " (" + found + ")"; }
};

bool operator==(const PeerAddress& left, const PeerAddress& right);

using PeerAddresses = std::vector<PeerAddress>;

// One for an address, all of a name: those of IPv4, and only where there are none those of IPv6, since the same server
// mostly has both and may listen on one, as behind "localhost". Looks names up, which may block for long.
base::Result<PeerAddresses> resolve_peers(std::string_view text);

// Whether it has a name, whose addresses may change.
bool has_name(std::string_view text);

}  // namespace cutwater::upstream
