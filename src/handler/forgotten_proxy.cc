#include "handler/forgotten_proxy.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/text.h"

namespace cutwater::handler {

namespace {

// Those of load balancers. Via alone is any forward proxy's, and with '_' no proxy writes them.
bool is_of_load_balancers(std::string_view field) {
  constexpr std::string_view kPrefix = "X-Forwarded-";
  if (base::equals_ignoring_case(field.substr(0, kPrefix.size()), kPrefix)) return true;
  return base::equals_ignoring_case(field, "Forwarded") || base::equals_ignoring_case(field, "X-Real-IP");
}

TrustedNetworks private_networks() {
  return *TrustedNetworks::parse(
      {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "fc00::/7", "::1", "unix"});
}

}  // namespace

ForgottenProxyHint::ForgottenProxyHint(base::LogSink& log, std::vector<std::string> trusted, Unbelieved unbelieved)
    : log_(log), trusted_(std::move(trusted)), unbelieved_(unbelieved), private_(private_networks()) {}

bool ForgottenProxyHint::is_private(const io::Address& peer) const {
  if (peer.is_unix) return private_.trusts_unix_peers();
  const auto address = parse_ip_address(peer.host);
  return address && private_.trusts(*address);
}

// As it is to be written: what is trusted now stays so.
std::string ForgottenProxyHint::with(const std::string& peer) const {
  std::string list;
  for (const std::string& entry : trusted_) list += "\"" + entry + "\", ";
  return "trusted_proxies = [" + list + "\"" + peer + "\"]";
}

void ForgottenProxyHint::look_at(const std::vector<std::string_view>& fields, const io::Address& peer,
                                 const io::Address& listener) {
  std::set<std::string_view> names;
  for (std::string_view field : fields) {
    if (is_of_load_balancers(field)) names.insert(field);
  }
  if (names.empty() || !is_private(peer)) return;
  const std::string where = io::to_text(listener);
  if (std::find(told_.begin(), told_.end(), where) != told_.end()) return;
  told_.push_back(where);
  const std::string who = peer.is_unix ? "a unix socket" : peer.host;
  const std::string fields_said = fmt::format("{}", fmt::join(names, ", "));
  const std::string what =
      unbelieved_ == Unbelieved::kRemoved
          ? fmt::format("removed {} from a request of {}, which trusted_proxies does not name; it was answered without",
                        fields_said, who)
          : fmt::format(
                "{} of a request of {}, which trusted_proxies does not name, did not decide its REMOTE_ADDR and "
                "wsgi.url_scheme; the app was handed what came",
                fields_said, who);
  log_.warning("CW0408", fmt::format("listen {}: {} (said once)\n"
                                     "fix: if that is a load balancer or web server of yours, write {} in that "
                                     "[[listen]]; if it is a client, all is well",
                                     where, what, with(peer.is_unix ? "unix" : peer.host)));
}

}  // namespace cutwater::handler
