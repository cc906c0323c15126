// A request body's framing: by length or chunked (RFC 9112 section 7.1). Bytes in -> a piece and a consumed count.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "message/request.h"

namespace cutwater::codec::http1 {

class BodyDecoder {
 public:
  enum class Outcome { kPiece, kNeedMore, kEnd, kMalformed, kTooLarge };
  struct Step {
    Outcome outcome;
    size_t consumed = 0;     // of `bytes`, also with kNeedMore
    std::string_view piece;  // with kPiece: a view into `bytes`
    const char* reason = "";
  };
  // `limit`: most body bytes (limits.body). Chunk overhead is limited to 100 KiB or 16 bytes per chunk's bytes
  // (faults.md 21); trailers are checked, size-limited and dropped (22).
  BodyDecoder(message::BodyFraming framing, uint64_t content_length, uint64_t limit);
  Step decode(std::string_view bytes);
  bool finished() const;
  // With kLength: bytes still to come.
  uint64_t remaining() const;

 private:
  struct State;
  enum class Stage : uint8_t { kLength, kSize, kExtension, kSizeLineFeed, kData, kDataCarriageReturn, kDataLineFeed,
                               kTrailer, kFinished };
  Stage stage_;
  uint64_t left_ = 0;
  uint64_t limit_;
  uint64_t taken_ = 0;
  uint64_t overhead_ = 0;
  unsigned digits_ = 0;
  std::string trailer_line_;
};

}  // namespace cutwater::codec::http1
