// A whole connection: any bytes, cut anywhere, to a client that takes a little, stalls, fails or leaves.
#include "serve/fault_play.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  cutwater::serve::fault::play_input({reinterpret_cast<const char*>(data), size}, cutwater::serve::Protocol::kHttp);
  return 0;
}
