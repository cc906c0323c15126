// What a FastCGI application can do, asked on a connection where nothing runs.
#pragma once

#include <cstdint>

#include "base/clock.h"
#include "base/task.h"
#include "io/loop.h"
#include "io/stream.h"

namespace cutwater::upstream {

struct Capabilities {
  bool answered = false;  // else the connection is of no more use
  bool multiplexes = false;
  uint64_t most_requests = 0;  // with `multiplexes`
};

// Both outlive the task. Whoever does not answer within `patience` never does.
base::Task<Capabilities> ask_capabilities(io::Loop& loop, io::Stream& stream, base::Duration patience);

}  // namespace cutwater::upstream
