#include "handler/trusted_networks.h"

#include <arpa/inet.h>

#include <cstring>

#include "base/text.h"

namespace cutwater::handler {

std::optional<IpAddress> parse_ip_address(std::string_view text) {
  char terminated[INET6_ADDRSTRLEN];
  if (text.empty() || text.size() >= sizeof terminated) return std::nullopt;
  std::memcpy(terminated, text.data(), text.size());
  terminated[text.size()] = 0;
  IpAddress address;
  if (inet_pton(AF_INET6, terminated, address.bytes.data()) == 1) return address;
  address.bytes[10] = address.bytes[11] = 0xff;
  if (inet_pton(AF_INET, terminated, address.bytes.data() + 12) == 1) return address;
  return std::nullopt;
}

base::Result<TrustedNetworks> TrustedNetworks::parse(const std::vector<std::string>& entries) {
  TrustedNetworks trusted;
  for (const std::string& entry : entries) {
    std::string_view text = base::trim_whitespace(entry);
    if (text == "*") {
      trusted.everybody_ = trusted.unix_peers_ = true;
      continue;
    }
    if (text == "unix" || text == "unix:") {
      trusted.unix_peers_ = true;
      continue;
    }
    size_t slash = text.find('/');
    std::string_view host = text.substr(0, slash);
    auto address = parse_ip_address(host);
    bool is_v4 = host.find(':') == std::string_view::npos;
    uint64_t family_bits = is_v4 ? 32 : 128;
    auto bits =
        slash == std::string_view::npos ? std::optional(family_bits) : base::parse_decimal(text.substr(slash + 1));
    if (!address || !bits || *bits > family_bits) {
      return base::Error{"\"" + entry + "\" is neither an address, a network like 10.0.0.0/8, \"unix\" nor \"*\""};
    }
    trusted.networks_.push_back({*address, static_cast<unsigned>(*bits + (is_v4 ? 96 : 0))});
  }
  return trusted;
}

bool TrustedNetworks::trusts(const IpAddress& address) const {
  if (everybody_) return true;
  for (const Network& network : networks_) {
    unsigned whole = network.prefix_bits / 8;
    unsigned rest = network.prefix_bits % 8;
    if (std::memcmp(network.address.bytes.data(), address.bytes.data(), whole) != 0) continue;
    if (rest == 0) return true;
    auto mask = static_cast<uint8_t>(0xff << (8 - rest));
    if ((network.address.bytes.at(whole) & mask) == (address.bytes.at(whole) & mask)) return true;
  }
  return false;
}

}  // namespace cutwater::handler
