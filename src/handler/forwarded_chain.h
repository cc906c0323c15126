// The chain of hops that X-Forwarded-For or Forwarded (RFC 7239) tells of, nearest hop last.
//
//   X-Forwarded-For = 1#( address [ ":" port ] )
//   Forwarded       = 1#( pair *( ";" pair ) )      pair = token "=" ( token / quoted-string )
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "handler/trusted_networks.h"
#include "message/headers.h"

namespace cutwater::handler {

struct ForwardedHop {
  std::string_view address;  // as written, without brackets and port; empty for "unknown" and "_hidden"
  std::optional<IpAddress> parsed;
  uint16_t port = 0;
  std::string_view scheme;  // Forwarded only
};

// Empty when the field is absent; nullopt when it is malformed.
std::optional<std::vector<ForwardedHop>> read_x_forwarded_for(const message::Headers& headers);
std::optional<std::vector<ForwardedHop>> read_forwarded(const message::Headers& headers);

// The hops as the elements of one of these fields; what is no address is "unknown". Of Forwarded only `for` is said.
std::string as_x_forwarded_for(const std::vector<ForwardedHop>& hops);
std::string as_forwarded(const std::vector<ForwardedHop>& hops);

// The hop that is the client: from the nearest on, the first that is not trusted; the farthest when all are. An entry
// that is no address ends the walk: nothing behind it can be known. nullptr: no hop is usable.
const ForwardedHop* find_client(const std::vector<ForwardedHop>& hops, const TrustedNetworks& trusted);

}  // namespace cutwater::handler
