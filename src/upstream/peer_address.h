// Where a peer listens: "10.0.0.5:8000", "[::1]:8000", "name:8000" or "unix:/run/api.sock".
#pragma once

#include <sys/socket.h>

#include <string>
#include <string_view>

#include "base/result.h"

namespace cutwater::upstream {

struct PeerAddress {
  std::string text;  // as configured, for messages
  sockaddr_storage raw{};
  socklen_t length = 0;
};

// Looks names up, which may block: at start only. Of several addresses the first IPv4 one is taken, else the first.
base::Result<PeerAddress> resolve_peer(std::string_view text);

}  // namespace cutwater::upstream
