// A whole connection's bytes through scanner, parser and decoder: however they are cut, the same comes out.
#include <cstdlib>

#include "codec/http1/connection_replay.h"

using cutwater::codec::http1::replay;
using cutwater::codec::http1::Transcript;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr uint64_t kBodyLimit = 4096;
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  Transcript whole = replay(bytes, kBodyLimit, size, 1);
  if (size == 0) return 0;
  size_t cut = (size * 31 + data[size / 2] + data[size - 1] * size_t{257}) % size;
  if (!(replay(bytes, kBodyLimit, cut, size) == whole)) std::abort();
  if (!(replay(bytes, kBodyLimit, cut, 7) == whole)) std::abort();
  if (size <= 512 && !(replay(bytes, kBodyLimit, 1, 1) == whole)) std::abort();
  return 0;
}
