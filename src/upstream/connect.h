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
  base::Instant opened{};              // when it was begun with
  // Then the stream may be given to finish_connecting(), and used for nothing.
  bool in_progress() const { return stream && error != 0; }
};

// What is known at once: a unix socket is connected, or not; others may be in progress.
// `loop` outlives the stream. TCP_NODELAY is set.
Connected start_connecting(io::Loop& loop, const PeerAddress& address);
base::Task<Connected> finish_connecting(Connected begun, base::Instant deadline);
// Both. `loop` and `address` outlive the task.
base::Task<Connected> connect_to(io::Loop& loop, const PeerAddress& address, base::Instant deadline);

}  // namespace cutwater::upstream
