// An offer to switch to another protocol (RFC 9110 section 7.8), and whether a peer's 101 takes it.
#pragma once

#include <string_view>

#include "message/request.h"
#include "message/response.h"

namespace cutwater::upstream {

struct UpgradeOffer {
  std::string_view protocols;      // for the Upgrade field; empty: nothing is offered
  std::string_view websocket_key;  // where a WebSocket is among them
};

// What of a client's offer is passed on. A WebSocket must be asked for with GET and one sound key, without which no
// answer could be checked (faults.md 143): else nothing is offered. Views into the request.
UpgradeOffer upgrade_offer(const message::Request& request);

// What is wrong with a 101 that answers the offer; nullptr: nothing.
const char* fault_of_switch(const UpgradeOffer& offer, const message::Response& response);

}  // namespace cutwater::upstream
