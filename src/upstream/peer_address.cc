#include "upstream/peer_address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>

#include "base/text.h"

namespace cutwater::upstream {

namespace {

constexpr size_t kMostAddresses = 64;  // of a name

base::Error no_address(std::string_view text, std::string_view why) {
  return {std::string(text).append(": ").append(why)};
}

base::Result<PeerAddresses> unix_peer(std::string_view text, std::string_view path) {
  sockaddr_un raw{};
  raw.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof raw.sun_path)
    return no_address(text, "the path is empty or over 107 bytes");
  std::memcpy(raw.sun_path, path.data(), path.size());
  PeerAddress address{std::string(text)};
  std::memcpy(&address.raw, &raw, sizeof raw);
  address.length = sizeof raw;
  return PeerAddresses{std::move(address)};
}

std::string host_of(std::string_view text) {
  std::string_view host = text.substr(0, text.rfind(':'));
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return std::string(host);
}

std::string numeric_text(const addrinfo& place) {
  char host[NI_MAXHOST];
  const int error = getnameinfo(place.ai_addr, place.ai_addrlen, host, sizeof host, nullptr, 0, NI_NUMERICHOST);
  return error == 0 ? host : "?";
}

PeerAddresses addresses_of(std::string_view text, const addrinfo* found, int family) {
  const bool is_name = has_name(text);
  PeerAddresses addresses;
  for (const addrinfo* place = found; place && addresses.size() < kMostAddresses; place = place->ai_next) {
    if (place->ai_family != family) continue;
    PeerAddress address{std::string(text)};
    if (is_name) address.found = numeric_text(*place);
    std::memcpy(&address.raw, place->ai_addr, place->ai_addrlen);
    address.length = place->ai_addrlen;
    if (std::find(addresses.begin(), addresses.end(), address) == addresses.end()) addresses.push_back(address);
  }
  return addresses;
}

}  // namespace

bool operator==(const PeerAddress& left, const PeerAddress& right) {
  return left.length == right.length && std::memcmp(&left.raw, &right.raw, left.length) == 0;
}

bool has_name(std::string_view text) {
  if (text.starts_with("unix:")) return false;
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST;
  addrinfo* found = nullptr;
  if (getaddrinfo(host_of(text).c_str(), nullptr, &hints, &found) != 0) return true;
  freeaddrinfo(found);
  return false;
}

base::Result<PeerAddresses> resolve_peers(std::string_view text) {
  if (text.starts_with("unix:")) return unix_peer(text, text.substr(5));
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return no_address(text, "expected host:port or unix:/path");
  const std::string port(text.substr(colon + 1));
  const auto number = base::parse_decimal(port);
  if (!number || *number == 0 || *number > 65535) return no_address(text, "no port between 1 and 65535");
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (const int error = getaddrinfo(host_of(text).c_str(), port.c_str(), &hints, &found); error != 0) {
    return no_address(text, error == EAI_SYSTEM ? std::strerror(errno) : gai_strerror(error));
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> places(found, freeaddrinfo);
  PeerAddresses addresses = addresses_of(text, found, AF_INET);
  if (addresses.empty()) addresses = addresses_of(text, found, AF_INET6);
  if (addresses.empty()) return no_address(text, "it has no address");
  return addresses;
}

}  // namespace cutwater::upstream
