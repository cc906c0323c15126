#include "upstream/piece_framing.h"

#include "codec/http1/response_encoder.h"

namespace cutwater::upstream {

namespace {

class ChunkFraming final : public PieceFraming {
 public:
  void append_start(std::string& to, size_t size) const override { codec::http1::append_chunk_start(to, size); }
  std::string_view end() const override { return codec::http1::kChunkEnd; }
  std::string_view last() const override { return codec::http1::kLastChunk; }
};

}  // namespace

const PieceFraming& plain_framing() {
  static const PieceFraming framing;
  return framing;
}

const PieceFraming& chunk_framing() {
  static const ChunkFraming framing;
  return framing;
}

}  // namespace cutwater::upstream
