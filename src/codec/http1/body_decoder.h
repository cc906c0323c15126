// A request body's framing: by length or chunked (RFC 9112 section 7.1). Bytes in -> piece, consumed count.
//
//   chunked-body = *chunk last-chunk *( field-line CRLF ) CRLF
//   chunk        = chunk-size [ chunk-ext ] CRLF chunk-data CRLF
//   last-chunk   = 1*16"0" [ chunk-ext ] CRLF
//   chunk-size   = 1*16HEXDIG
//   chunk-ext    = *( BWS ";" BWS token [ BWS "=" BWS ( token / quoted-string ) ] )
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "message/request.h"

namespace cutwater::codec::http1 {

class BodyDecoder {
 public:
  static constexpr uint64_t kOverheadPerBodyByte = 4;
  enum class Outcome { kPiece, kNeedMore, kEnd, kMalformed, kTooLarge };
  struct Step {
    Outcome outcome;
    size_t consumed = 0;          // of `bytes`, also with kNeedMore
    std::string_view piece = {};  // with kPiece: a view into `bytes`, never empty
    const char* reason = "";
  };
  // `limit`: most body bytes (limits.body); what is announced above it is kTooLarge before any of it was
  // taken. Framing may cost 100 KiB and 4 bytes for each body byte, chunk extensions 16 KiB and 1/8 of the
  // body (faults.md 21): more is kMalformed; `overhead_per_byte` may allow more. Trailers are checked, size-limited
  // and dropped (22).
  BodyDecoder(message::BodyFraming framing, uint64_t content_length, uint64_t limit,
              uint64_t overhead_per_byte = kOverheadPerBodyByte);
  // After kEnd, kMalformed or kTooLarge every further call gives the same again and consumes nothing.
  Step decode(std::string_view bytes);
  bool finished() const { return stage_ == Stage::kFinished; }
  // With kLength: bytes still to come.
  uint64_t remaining() const { return stage_ == Stage::kLength ? left_ : 0; }

 private:
  // Chunked framing is read byte by byte; the names say what may come next.
  enum class Stage : uint8_t {
    kLength,          // data of a body with Content-Length
    kSize,            // digits of a chunk size
    kExtension,       // BWS before ';' or '=', ';', CR
    kExtensionName,   // BWS or the first byte of the name, then its rest
    kExtensionValue,  // BWS or the first byte of the value, or '"', then its rest
    kExtensionQuoted,
    kExtensionEscaped,  // the byte after '\' in a quoted string
    kSizeLineFeed,
    kData,
    kDataCarriageReturn,
    kDataLineFeed,
    kTrailer,  // a trailer field or the last, empty line
    kTrailerLineFeed,
    kFinished,
    kFailed,
  };
  // What stood last in a chunk extension, to know what may follow.
  enum class Extension : uint8_t { kNone, kBlank, kName, kNameBlank, kValue, kValueBlank };

  Step take_data(std::string_view bytes, size_t consumed);
  bool take_byte(char c);
  bool take_size_byte(char c);
  bool take_extension_byte(char c);
  bool take_name_byte(char c);
  bool take_value_byte(char c);
  bool begin_chunk();
  bool take_trailer_byte(char c);
  bool end_trailer_line();
  bool account();
  bool fail(Outcome outcome, const char* why);

  Stage stage_;
  Extension extension_ = Extension::kNone;
  Outcome failure_ = Outcome::kMalformed;
  const char* reason_ = "";
  uint64_t left_ = 0;  // of the body with kLength, else of this chunk (while its size is read: that size)
  uint64_t limit_;
  uint64_t overhead_per_byte_;
  uint64_t taken_ = 0;  // body bytes of the chunks announced so far
  uint64_t overhead_ = 0;
  uint64_t extension_bytes_ = 0;
  uint64_t trailer_bytes_ = 0;
  unsigned digits_ = 0;
  std::string trailer_line_;
};

}  // namespace cutwater::codec::http1
