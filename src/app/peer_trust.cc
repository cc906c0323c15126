#include "app/peer_trust.h"

#include <pwd.h>
#include <sys/socket.h>

#include <algorithm>
#include <optional>

#include "base/text.h"
#include "supervise/identity.h"

namespace cutwater::app {
namespace {

// Whose process connected, as the kernel noted it then.
std::optional<uid_t> user_of(int socket) {
  ucred credentials{};
  socklen_t length = sizeof credentials;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) return std::nullopt;
  return credentials.uid;
}

// With commas between.
std::vector<handler::IpAddress> addresses_in(std::string_view list) {
  std::vector<handler::IpAddress> addresses;
  while (!list.empty()) {
    const std::string_view entry = list.substr(0, list.find(','));
    list.remove_prefix(std::min(list.size(), entry.size() + 1));
    if (const auto address = handler::parse_ip_address(base::trim_whitespace(entry))) addresses.push_back(*address);
  }
  return addresses;
}

}  // namespace

base::Result<PeerTrust> PeerTrust::make(const config::Listen& listen, uid_t own, const char* web_servers) {
  auto networks = handler::TrustedNetworks::parse(listen.trusted_proxies);
  if (!networks) return base::Error{"trusted_proxies: " + networks.error().message};
  PeerTrust trust(std::move(*networks));
  trust.users_.push_back(own);
  for (const std::string& user : listen.trusted_users) {
    if (user == "*") trust.every_user_ = true;
    if (auto identity = supervise::find_identity(user)) trust.users_.push_back(identity->user);
  }
  if (web_servers != nullptr && listen.protocol == "fastcgi") trust.web_servers_ = addresses_in(web_servers);
  return trust;
}

bool PeerTrust::admits(int socket, const io::Address& peer) const {
  if (!peer.is_unix) {
    const auto address = handler::parse_ip_address(peer.host);
    if (!address || !networks_.trusts(*address)) return false;
    return !web_servers_ || std::find(web_servers_->begin(), web_servers_->end(), *address) != web_servers_->end();
  }
  if (every_user_) return true;
  const auto user = user_of(socket);
  return user && std::find(users_.begin(), users_.end(), *user) != users_.end();
}

std::string PeerTrust::list_for(const io::Address& peer) const {
  if (peer.is_unix) return "trusted_users";
  return web_servers_ ? "trusted_proxies or FCGI_WEB_SERVER_ADDRS of the environment" : "trusted_proxies";
}

std::string PeerTrust::name_of(int socket, const io::Address& peer) {
  if (!peer.is_unix) return peer.host;
  const auto user = user_of(socket);
  if (!user) return "an unknown user";
  const std::string number = std::to_string(*user);
  const passwd* entry = getpwuid(*user);
  return entry == nullptr ? "user " + number : std::string("user ") + entry->pw_name + " (" + number + ")";
}

}  // namespace cutwater::app
