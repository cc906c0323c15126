// Reading ahead: where several descriptors are ready in one turn, all of them are read before the first one's bytes are
// served. The kernel's code for it stays in the processor's caches meanwhile, and so does ours afterwards: with 64
// connections that saves some percent of the time of a short request.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <span>

#include "io/stream_result.h"

namespace cutwater::io {

// A loop's memory for it. What lies in a place dies when the next ones are served.
class ReadRoom {
 public:
  static constexpr size_t kPlaces = 32;
  static constexpr size_t kPlaceSize = 2048;  // heads of requests are mostly shorter

  std::span<char, kPlaceSize> place(size_t index) {
    if (!memory_) memory_.reset(new std::array<std::array<char, kPlaceSize>, kPlaces>);
    return memory_->at(index);
  }

 private:
  std::unique_ptr<std::array<std::array<char, kPlaceSize>, kPlaces>> memory_;
};

// What one stream has read ahead, and was not asked for yet.
class ReadAhead {
 public:
  bool any() const { return !bytes_.empty() || has_end_; }

  // `result` of a read into the beginning of `place`, which outlives this or the next keep().
  void put(const IoResult& result, std::span<const char> place);
  // As a read that takes the first bytes of what there is. kDone before any other result.
  IoResult take(std::span<char> into);
  // From now on in memory of its own.
  void keep();
  void drop() { *this = ReadAhead(); }

 private:
  std::span<const char> bytes_;
  std::unique_ptr<char[]> kept_;
  bool has_end_ = false;  // behind the bytes
  int error_ = 0;         // of what ended them; 0: their sender
};

}  // namespace cutwater::io
