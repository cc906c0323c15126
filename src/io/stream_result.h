// What a read or write of a stream came to.
#pragma once

#include <cstddef>

namespace cutwater::io {

enum class IoStatus {
  kDone,  // `count` bytes moved; for a read 0 never occurs here
  kWouldBlock,
  kEndOfStream,  // the peer sent FIN
  kFailed,       // `error` holds errno; the connection is useless
};
struct IoResult {
  IoStatus status;
  size_t count = 0;
  int error = 0;
};

}  // namespace cutwater::io
