// ForwardedFilter: what a request's forwarding fields may say (faults.md 35, 36). From a trusted peer they decide the
// client's address and the scheme; from anybody else they are removed before a handler sees them, and from everybody
// those that only look like them ("X_Forwarded_For").
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "handler/trusted_networks.h"
#include "serve/http_server.h"

namespace cutwater::handler {

class ForwardedFilter final : public serve::RequestFilter {
 public:
  explicit ForwardedFilter(TrustedNetworks trusted) : trusted_(std::move(trusted)) {}

  // Of a trusted peer's fields, malformed ones and those that contradict each other are refused: somebody behind it is
  // forging.
  const char* filter(message::Request& request, const io::Address& peer, std::string& storage) override;

 private:
  bool trusts(const io::Address& peer) const override;
  const char* believe(message::Request& request, std::string& storage) const;

  TrustedNetworks trusted_;
};

}  // namespace cutwater::handler
