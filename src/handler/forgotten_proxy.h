// ForgottenProxyHint: says once for each listener that forwarding fields of a private address are not believed. It is
// most likely a load balancer that trusted_proxies does not name, and an app that must know the scheme redirects for
// ever.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "handler/trusted_networks.h"
#include "io/listener.h"

namespace cutwater::handler {

// Of forwarding fields that are not believed. A web server by FastCGI, SCGI or uwsgi is trusted, else its connection is
// not read, and says itself who the client is and how it asked.
enum class Unbelieved { kRemoved, kHandedOn };

class ForgottenProxyHint {
 public:
  // `trusted`: trusted_proxies of its listeners. `unbelieved`: what becomes of the fields. `log` outlives this.
  ForgottenProxyHint(base::LogSink& log, std::vector<std::string> trusted,
                     Unbelieved unbelieved = Unbelieved::kRemoved);

  // `fields`: names of forwarding fields that are not believed. `peer`: who wrote them, for all that is known.
  void look_at(const std::vector<std::string_view>& fields, const io::Address& peer, const io::Address& listener);

 private:
  bool is_private(const io::Address& peer) const;
  std::string with(const std::string& peer) const;

  base::LogSink& log_;
  const std::vector<std::string> trusted_;
  const Unbelieved unbelieved_;
  const TrustedNetworks private_;
  std::vector<std::string> told_;  // listeners
};

}  // namespace cutwater::handler
