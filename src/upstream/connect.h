// Connecting without blocking.
#pragma once

#include <memory>

#include "base/clock.h"
#include "base/task.h"
#include "io/loop.h"
#include "io/stream.h"
#include "upstream/peer_address.h"

namespace cutwater::upstream {

struct Connected {
  std::unique_ptr<io::Stream> stream;  // nullptr: `error` says why not
  int error = 0;                       // errno; ETIMEDOUT: not by the deadline
};

// `loop` and `address` outlive the task. TCP_NODELAY is set.
base::Task<Connected> connect_to(io::Loop& loop, const PeerAddress& address, base::Instant deadline);

}  // namespace cutwater::upstream
