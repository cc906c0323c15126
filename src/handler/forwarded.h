// ForwardedFilter: what a request's forwarding fields may say (faults.md 35, 36). From a trusted peer they decide the
// client's address and the scheme; from anybody else they are removed before a handler sees them, and from everybody
// those that only look like them ("X_Forwarded_For"). What a web server in front hands on by another protocol stays.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "handler/forgotten_proxy.h"
#include "handler/trusted_networks.h"
#include "serve/http_server.h"

namespace cutwater::handler {

bool is_forwarding_field(std::string_view name);

class ForwardedFilter final : public serve::RequestFilter {
 public:
  // `hint`: told what is not believed, or null; outlives this.
  explicit ForwardedFilter(TrustedNetworks trusted, Unbelieved unbelieved = Unbelieved::kRemoved,
                           ForgottenProxyHint* hint = nullptr)
      : trusted_(std::move(trusted)), unbelieved_(unbelieved), hint_(hint) {}

  // Of a trusted peer's fields, malformed ones and those that contradict each other are refused: somebody behind it is
  // forging.
  const char* filter(message::Request& request, const io::Address& peer, const io::Address& listener,
                     std::string& storage) override;

 private:
  bool trusts(const io::Address& peer) const override;
  const char* believe(message::Request& request, std::string& storage) const;

  TrustedNetworks trusted_;
  const Unbelieved unbelieved_;
  ForgottenProxyHint* hint_;
};

}  // namespace cutwater::handler
