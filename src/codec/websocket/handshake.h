// The opening handshake of a WebSocket, as far as it is more than HTTP (RFC 6455 section 4).
#pragma once

#include <string>
#include <string_view>

namespace cutwater::codec::websocket {

// Whether a client may send that as Sec-WebSocket-Key: 16 bytes in base64.
bool is_key(std::string_view value);

// The Sec-WebSocket-Accept that proves that a server has read the key and means to speak this protocol.
std::string accept_of(std::string_view key);

}  // namespace cutwater::codec::websocket
