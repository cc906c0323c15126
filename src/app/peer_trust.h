// PeerTrust: which web servers may hand requests over by a gateway protocol. What they say of a client is believed, so
// whoever else connects is closed before a byte is read (faults.md 92).
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "config/model.h"
#include "handler/trusted_networks.h"
#include "io/listener.h"

namespace cutwater::app {

class PeerTrust {
 public:
  // `own`: the front's user, who is trusted too. Users that do not exist are nobody. `web_servers`:
  // FCGI_WEB_SERVER_ADDRS of the environment, addresses with commas between (FastCGI specification section 3.2); who
  // connects to a FastCGI listener by TCP must be one of them as well; where trusted_proxies is not written they are
  // that too (config/environment). nullptr: it is not set. What is no address there is nobody.
  static base::Result<PeerTrust> make(const config::Listen& listen, uid_t own, const char* web_servers = nullptr);

  bool admits(int socket, const io::Address& peer) const;
  // The list that a peer must be in: "trusted_users".
  std::string list_for(const io::Address& peer) const;
  // "user shop (1000)", "10.0.0.7": whom admits() judged. Looks the user up, which may block.
  static std::string name_of(int socket, const io::Address& peer);

 private:
  explicit PeerTrust(handler::TrustedNetworks networks) : networks_(std::move(networks)) {}

  handler::TrustedNetworks networks_;
  std::optional<std::vector<handler::IpAddress>> web_servers_;  // nullopt: any that networks_ trusts
  std::vector<uid_t> users_;
  bool every_user_ = false;
};

}  // namespace cutwater::app
