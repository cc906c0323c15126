// A chunked body: however its bytes are cut, the same body, the same end, at the same byte.
#include <algorithm>
#include <cstdlib>

#include "codec/http1/body_decoder.h"

namespace {

using cutwater::codec::http1::BodyDecoder;
using cutwater::message::BodyFraming;

constexpr uint64_t kLimit = 16 * 1024;

struct Decoded {
  BodyDecoder::Outcome outcome = BodyDecoder::Outcome::kNeedMore;
  std::string body;
  size_t consumed = 0;

  bool operator==(const Decoded& other) const {
    bool ended_alike = outcome != BodyDecoder::Outcome::kEnd || consumed == other.consumed;
    return outcome == other.outcome && body == other.body && ended_alike;
  }
};

Decoded decode(std::string_view bytes, size_t first, size_t size) {
  BodyDecoder decoder(BodyFraming::kChunked, 0, kLimit);
  Decoded decoded;
  size_t arrived = std::min(first, bytes.size());
  while (true) {
    std::string_view waiting = bytes.substr(decoded.consumed, arrived - decoded.consumed);
    BodyDecoder::Step step = decoder.decode(waiting);
    if (step.consumed > waiting.size()) std::abort();
    decoded.consumed += step.consumed;
    decoded.body += step.piece;
    decoded.outcome = step.outcome;
    if (step.outcome == BodyDecoder::Outcome::kPiece) {
      if (step.piece.empty()) std::abort();
      continue;
    }
    if (step.outcome != BodyDecoder::Outcome::kNeedMore) return decoded;
    if (step.consumed != waiting.size()) std::abort();
    if (arrived == bytes.size()) return decoded;
    arrived = std::min(arrived + size, bytes.size());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  Decoded whole = decode(bytes, size, 1);
  if (whole.body.size() > kLimit) std::abort();
  if (size == 0) return 0;
  size_t cut = (size * 31 + data[size / 2]) % size;
  if (!(decode(bytes, cut, size) == whole)) std::abort();
  if (!(decode(bytes, 1, 1) == whole)) std::abort();
  return 0;
}
