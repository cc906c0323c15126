// PieceFraming: how the pieces of a request's body stand on the wire.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace cutwater::upstream {

class PieceFraming {
 public:
  virtual ~PieceFraming() = default;
  // The longest piece.
  virtual size_t most() const { return SIZE_MAX; }
  // Goes before a piece of `size` bytes, which is not 0; and what goes behind it, which lives as long as this.
  virtual void append_start(std::string&, size_t) const {}
  virtual std::string_view end() const { return {}; }
  // Behind the last one; lives as long as this.
  virtual std::string_view last() const { return {}; }
};

// No framing: the head said the length.
const PieceFraming& plain_framing();
// The chunks of HTTP/1.1.
const PieceFraming& chunk_framing();

}  // namespace cutwater::upstream
