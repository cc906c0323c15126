// However the bytes come, they make the same messages, and no more than the limit.
#include <cstdint>
#include <cstdlib>

#include "codec/websocket/websocket_replay.h"

namespace websocket = cutwater::codec::websocket;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const bool compression = (data[0] & 1) != 0;
  const uint64_t limit = (data[0] & 2) != 0 ? 1 << 20 : 300;
  const size_t cut = data[1];
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  const std::string whole = websocket::replay(bytes, 0, limit, compression);
  if (websocket::replay_bytewise(bytes, limit, compression) != whole) std::abort();
  if (websocket::replay(bytes, std::min(cut, bytes.size()), limit, compression) != whole) std::abort();
  std::string storage;
  const auto offer = websocket::negotiate_compression(bytes, storage);
  if (offer.window_bits < 9 || offer.window_bits > 15) std::abort();
  return 0;
}
