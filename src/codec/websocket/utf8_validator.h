// UTF-8 as it comes in pieces (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF.
#pragma once

#include <cstdint>
#include <string_view>

namespace cutwater::codec::websocket {

class Utf8Validator {
 public:
  // False: what came so far is no beginning of UTF-8; it stays so.
  bool take(std::string_view bytes);
  // The text may end here.
  bool complete() const { return missing_ == 0; }

 private:
  bool begin(uint8_t byte);

  unsigned missing_ = 0;  // continuation bytes of the character that has begun
  uint8_t lowest_ = 0x80;
  uint8_t highest_ = 0xbf;  // what the next of them may be
  bool broken_ = false;
};

bool is_utf8(std::string_view text);

}  // namespace cutwater::codec::websocket
