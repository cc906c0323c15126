// A whole connection of a web server in front, as serve_fuzz.cc plays a client's. The first byte chooses the protocol.
#include "serve/fault_play.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using cutwater::serve::Protocol;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  if (input.empty()) return 0;
  constexpr Protocol kProtocols[] = {Protocol::kUwsgi, Protocol::kScgi, Protocol::kFastcgi};
  cutwater::serve::fault::play_input(input.substr(1), kProtocols[static_cast<uint8_t>(input.front()) % 3]);
  return 0;
}
