// TrustedNetworks: the peers whose forwarding fields are believed.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace cutwater::handler {

// An address of either family; IPv4 is kept as ::ffff:a.b.c.d, so that both spellings are one.
struct IpAddress {
  std::array<uint8_t, 16> bytes{};
  bool operator==(const IpAddress&) const = default;
};
std::optional<IpAddress> parse_ip_address(std::string_view text);

class TrustedNetworks {
 public:
  // Each entry is "10.0.0.0/8", "::1", "unix" (every peer on a unix socket) or "*" (everybody).
  static base::Result<TrustedNetworks> parse(const std::vector<std::string>& entries);

  bool trusts_unix_peers() const { return unix_peers_; }
  bool trusts(const IpAddress& address) const;

 private:
  struct Network {
    IpAddress address;
    unsigned prefix_bits;
  };
  std::vector<Network> networks_;
  bool unix_peers_ = false;
  bool everybody_ = false;
};

}  // namespace cutwater::handler
