#include "codec/http1/body_decoder.h"

#include <algorithm>

#include "base/text.h"
#include "message/grammar.h"

namespace cutwater::codec::http1 {
namespace {

using message::BodyFraming;

constexpr unsigned kMostSizeDigits = 16;
constexpr uint64_t kFreeOverhead = 100 * 1024;
constexpr uint64_t kFreeExtensions = 16 * 1024;
constexpr uint64_t kBodyBytesPerExtensionByte = 8;
constexpr uint64_t kMostTrailerBytes = 8 * 1024;

constexpr bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

// Fields whose late arrival would change what was decided long ago (faults.md 22, RFC 9110 section 6.5.1).
bool forbidden_in_trailers(std::string_view name) {
  return base::equals_ignoring_case(name, "Content-Length") || base::equals_ignoring_case(name, "Transfer-Encoding") ||
         base::equals_ignoring_case(name, "Host");
}

}  // namespace

BodyDecoder::BodyDecoder(BodyFraming framing, uint64_t content_length, uint64_t limit, uint64_t overhead_per_byte)
    : stage_(framing == BodyFraming::kChunked ? Stage::kSize : Stage::kLength),
      limit_(limit),
      overhead_per_byte_(overhead_per_byte) {
  if (framing == BodyFraming::kChunked) return;
  left_ = framing == BodyFraming::kLength ? content_length : 0;
  if (left_ == 0) stage_ = Stage::kFinished;
  if (left_ > limit) fail(Outcome::kTooLarge, "Content-Length over the limit");
}

BodyDecoder::Step BodyDecoder::decode(std::string_view bytes) {
  size_t consumed = 0;
  while (true) {
    if (stage_ == Stage::kFinished) return {Outcome::kEnd, consumed};
    if (stage_ == Stage::kFailed) return {failure_, consumed, {}, reason_};
    if (consumed == bytes.size()) return {Outcome::kNeedMore, consumed};
    if (stage_ == Stage::kLength || stage_ == Stage::kData) return take_data(bytes, consumed);
    if (take_byte(bytes[consumed])) ++consumed;
  }
}

BodyDecoder::Step BodyDecoder::take_data(std::string_view bytes, size_t consumed) {
  std::string_view piece = bytes.substr(consumed);
  if (piece.size() > left_) piece = piece.substr(0, static_cast<size_t>(left_));
  left_ -= piece.size();
  if (left_ == 0) stage_ = stage_ == Stage::kLength ? Stage::kFinished : Stage::kDataCarriageReturn;
  return {Outcome::kPiece, consumed + piece.size(), piece};
}

bool BodyDecoder::fail(Outcome outcome, const char* why) {
  stage_ = Stage::kFailed;
  failure_ = outcome;
  reason_ = why;
  return false;
}

// One byte of framing. False: it was refused.
bool BodyDecoder::take_byte(char c) {
  if (!account()) return false;
  switch (stage_) {
    case Stage::kSize:
      return take_size_byte(c);
    case Stage::kExtension:
      return take_extension_byte(c);
    case Stage::kExtensionName:
      return take_name_byte(c);
    case Stage::kExtensionValue:
    case Stage::kExtensionQuoted:
    case Stage::kExtensionEscaped:
      return take_value_byte(c);
    case Stage::kSizeLineFeed:
      return c == '\n' ? begin_chunk() : fail(Outcome::kMalformed, "bare CR in chunk size line");
    case Stage::kDataCarriageReturn:
      if (c != '\r') return fail(Outcome::kMalformed, "chunk data longer than its size");
      stage_ = Stage::kDataLineFeed;
      return true;
    case Stage::kDataLineFeed:
      if (c != '\n') return fail(Outcome::kMalformed, "bare CR after chunk data");
      stage_ = Stage::kSize;
      return true;
    default:
      return take_trailer_byte(c);
  }
}

bool BodyDecoder::account() {
  ++overhead_;
  if (overhead_ > kFreeOverhead && (overhead_ - kFreeOverhead) / overhead_per_byte_ > taken_) {
    return fail(Outcome::kMalformed, "chunk framing outweighs the body");
  }
  switch (stage_) {
    case Stage::kExtension:
    case Stage::kExtensionName:
    case Stage::kExtensionValue:
    case Stage::kExtensionQuoted:
    case Stage::kExtensionEscaped:
      if (++extension_bytes_ > kFreeExtensions + taken_ / kBodyBytesPerExtensionByte) {
        return fail(Outcome::kMalformed, "chunk extensions too large");
      }
      return true;
    case Stage::kTrailer:
      if (++trailer_bytes_ > kMostTrailerBytes) return fail(Outcome::kMalformed, "trailers too large");
      return true;
    default:
      return true;
  }
}

bool BodyDecoder::take_size_byte(char c) {
  int digit = message::hex_value(c);
  if (digit >= 0) {
    if (++digits_ > kMostSizeDigits) return fail(Outcome::kMalformed, "chunk size too long");
    left_ = left_ << 4 | static_cast<uint64_t>(digit);
    return true;
  }
  if (digits_ == 0) return fail(Outcome::kMalformed, "malformed chunk size");
  extension_ = Extension::kNone;
  stage_ = Stage::kExtension;
  return take_extension_byte(c);
}

// Between the parts of a chunk extension, where blanks ("BWS") may stand but not before the line's end.
bool BodyDecoder::take_extension_byte(char c) {
  bool after_blank =
      extension_ == Extension::kBlank || extension_ == Extension::kNameBlank || extension_ == Extension::kValueBlank;
  if (c == '\r' && !after_blank) {
    stage_ = Stage::kSizeLineFeed;
    return true;
  }
  if (c == ';') {
    stage_ = Stage::kExtensionName;
    extension_ = Extension::kBlank;
    return true;
  }
  bool after_name = extension_ == Extension::kName || extension_ == Extension::kNameBlank;
  if (c == '=' && after_name) {
    stage_ = Stage::kExtensionValue;
    extension_ = Extension::kBlank;
    return true;
  }
  if (!is_blank(c)) return fail(Outcome::kMalformed, "malformed chunk size or extension");
  if (after_name) {
    extension_ = Extension::kNameBlank;
  } else {
    extension_ = extension_ == Extension::kValue || extension_ == Extension::kValueBlank ? Extension::kValueBlank
                                                                                         : Extension::kBlank;
  }
  return true;
}

bool BodyDecoder::take_name_byte(char c) {
  if (message::is_token_byte(c)) {
    extension_ = Extension::kName;
    return true;
  }
  if (extension_ == Extension::kBlank) {
    return is_blank(c) || fail(Outcome::kMalformed, "malformed chunk extension name");
  }
  stage_ = Stage::kExtension;
  return take_extension_byte(c);
}

bool BodyDecoder::take_value_byte(char c) {
  if (stage_ == Stage::kExtensionQuoted || stage_ == Stage::kExtensionEscaped) {
    if (message::is_control_byte(c)) return fail(Outcome::kMalformed, "control byte in chunk extension");
    if (stage_ == Stage::kExtensionEscaped) {
      stage_ = Stage::kExtensionQuoted;
    } else if (c == '\\') {
      stage_ = Stage::kExtensionEscaped;
    } else if (c == '"') {
      stage_ = Stage::kExtension;
      extension_ = Extension::kValue;
    }
    return true;
  }
  if (message::is_token_byte(c)) {
    extension_ = Extension::kValue;
    return true;
  }
  if (extension_ == Extension::kValue) {
    stage_ = Stage::kExtension;
    return take_extension_byte(c);
  }
  if (c == '"') {
    stage_ = Stage::kExtensionQuoted;
    return true;
  }
  return is_blank(c) || fail(Outcome::kMalformed, "malformed chunk extension value");
}

bool BodyDecoder::begin_chunk() {
  digits_ = 0;
  if (left_ == 0) {
    stage_ = Stage::kTrailer;
    return true;
  }
  if (left_ > limit_ - taken_) return fail(Outcome::kTooLarge, "chunked body over the limit");
  taken_ += left_;
  stage_ = Stage::kData;
  return true;
}

bool BodyDecoder::take_trailer_byte(char c) {
  if (stage_ == Stage::kTrailerLineFeed) {
    return c == '\n' ? end_trailer_line() : fail(Outcome::kMalformed, "bare CR in trailers");
  }
  if (c == '\r') {
    stage_ = Stage::kTrailerLineFeed;
    return true;
  }
  if (message::is_control_byte(c)) return fail(Outcome::kMalformed, "control byte in trailers");
  trailer_line_ += c;
  return true;
}

bool BodyDecoder::end_trailer_line() {
  if (trailer_line_.empty()) {
    stage_ = Stage::kFinished;
    return true;
  }
  std::string_view line = trailer_line_;
  size_t colon = line.find(':');
  if (colon == std::string_view::npos || !message::is_token(line.substr(0, colon))) {
    return fail(Outcome::kMalformed, "malformed trailer field");
  }
  if (forbidden_in_trailers(line.substr(0, colon))) return fail(Outcome::kMalformed, "forbidden trailer field");
  trailer_line_.clear();
  stage_ = Stage::kTrailer;
  return true;
}

}  // namespace cutwater::codec::http1
