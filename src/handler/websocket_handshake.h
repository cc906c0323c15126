// The opening handshake of a WebSocket, as a server judges it (RFC 6455 section 4.2, faults.md 143).
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "codec/websocket/compression.h"
#include "message/request.h"
#include "message/response.h"

namespace cutwater::handler {

enum class WebSocketOffer {
  kNone,          // an ordinary request
  kSound,         // 101 would open a WebSocket
  kMalformed,     // 400
  kOtherVersion,  // 426
};
WebSocketOffer websocket_offer(const message::Request& request);

// `origins`: "https://example.com", "https://*.example.com", "same" (as the request's Host); empty: everybody may. What
// sends no Origin is no browser, and could say what it likes.
bool may_open_websocket(const message::Request& request, std::span<const std::string> origins);

// What the client is told besides: 426 with the version that is spoken.
message::Response other_version_answer();

// The 101 of an app, whose fields `accepted` has, with those that are the server's. Views into all of them and
// `storage`.
struct AcceptStorage {
  std::string accept;
  std::string extensions;
};
message::Response accept_answer(const message::Request& request, const message::Response& accepted, bool compression,
                                AcceptStorage& storage, codec::websocket::CompressionOffer& chosen);

}  // namespace cutwater::handler
