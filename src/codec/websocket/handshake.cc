#include "codec/websocket/handshake.h"

#include "base/base64.h"
#include "base/sha1.h"

namespace cutwater::codec::websocket {

bool is_key(std::string_view value) {
  return base::base64_size(value) == 16;
}

std::string accept_of(std::string_view key) {
  constexpr std::string_view kProtocol = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";  // no other server answers with it
  return base::to_base64(base::sha1(std::string(key).append(kProtocol)));
}

}  // namespace cutwater::codec::websocket
