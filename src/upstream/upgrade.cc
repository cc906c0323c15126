#include "upstream/upgrade.h"

#include "base/text.h"
#include "codec/websocket/handshake.h"
#include "message/grammar.h"

namespace cutwater::upstream {

namespace {

constexpr std::string_view kWebSocket = "websocket";

bool lists(std::string_view protocols, std::string_view wanted) {
  while (!protocols.empty()) {
    const std::string_view protocol = message::next_list_element(protocols);
    if (!protocol.empty() && base::equals_ignoring_case(protocol, wanted)) return true;
  }
  return false;
}

// The value of a field that is there once; else empty.
std::string_view only(const message::Headers& headers, std::string_view name) {
  return headers.count(name) == 1 ? headers.get(name).value_or("") : std::string_view();
}

}  // namespace

UpgradeOffer upgrade_offer(const message::Request& request) {
  UpgradeOffer offer{request.upgrade, {}};
  if (!lists(offer.protocols, kWebSocket)) return offer;
  offer.websocket_key = only(request.headers, "Sec-WebSocket-Key");
  if (request.method != "GET" || !codec::websocket::is_key(offer.websocket_key)) return {};
  return offer;
}

const char* fault_of_switch(const UpgradeOffer& offer, const message::Response& response) {
  if (offer.protocols.empty()) return "101 Switching Protocols, which was not asked for";
  if (response.upgrade.empty()) return "101 without the protocol in Upgrade, and Upgrade in Connection";
  if (!lists(offer.protocols, response.upgrade)) return "101 Switching Protocols to one that was not offered";
  if (!base::equals_ignoring_case(response.upgrade, kWebSocket)) return nullptr;
  const std::string_view accept = only(response.headers, "Sec-WebSocket-Accept");
  if (accept.empty()) return "101 without one Sec-WebSocket-Accept";
  return accept == codec::websocket::accept_of(offer.websocket_key) ? nullptr : "101 with a wrong Sec-WebSocket-Accept";
}

}  // namespace cutwater::upstream
