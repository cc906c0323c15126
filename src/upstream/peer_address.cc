#include "upstream/peer_address.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <cstddef>
#include <cstring>
#include <memory>

#include "base/text.h"

namespace cutwater::upstream {

namespace {

base::Error no_address(std::string_view text, std::string_view why) {
  return {std::string(text).append(": ").append(why)};
}

base::Result<PeerAddress> unix_peer(std::string_view text, std::string_view path) {
  sockaddr_un raw{};
  raw.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof raw.sun_path)
    return no_address(text, "the path is empty or over 107 bytes");
  std::memcpy(raw.sun_path, path.data(), path.size());
  PeerAddress address{std::string(text)};
  std::memcpy(&address.raw, &raw, sizeof raw);
  address.length = sizeof raw;
  return address;
}

}  // namespace

base::Result<PeerAddress> resolve_peer(std::string_view text) {
  if (text.starts_with("unix:")) return unix_peer(text, text.substr(5));
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return no_address(text, "expected host:port or unix:/path");
  std::string host(text.substr(0, colon));
  const std::string port(text.substr(colon + 1));
  const auto number = base::parse_decimal(port);
  if (!number || *number == 0 || *number > 65535) return no_address(text, "no port between 1 and 65535");
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (const int error = getaddrinfo(host.c_str(), port.c_str(), &hints, &found); error != 0) {
    return no_address(text, gai_strerror(error));
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> places(found, freeaddrinfo);
  const addrinfo* chosen = found;
  for (const addrinfo* place = found; place; place = place->ai_next) {
    if (place->ai_family != AF_INET) continue;
    chosen = place;
    break;
  }
  PeerAddress address{std::string(text)};
  std::memcpy(&address.raw, chosen->ai_addr, chosen->ai_addrlen);
  address.length = chosen->ai_addrlen;
  return address;
}

}  // namespace cutwater::upstream
