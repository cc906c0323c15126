// TurnWatch: warns of turns of a loop that took longer than 50 ms, since everybody waited for them. Time in which the
// kernel let others run instead is not counted: a busy machine is no fault of the turn.
#pragma once

#include <cstdint>

#include "base/clock.h"
#include "base/file_descriptor.h"
#include "base/log.h"

namespace cutwater::io {

class TurnWatch {
 public:
  // On the loop's thread. `log` outlives this.
  explicit TurnWatch(base::LogSink& log);

  void begin(base::Instant now);
  void end(base::Instant began, base::Instant now);

 private:
  int64_t nanoseconds_waited_for_cpu() const;

  base::LogSink& log_;
  base::FileDescriptor statistics_;  // /proc/thread-self/schedstat; not valid: the kernel does not count
  base::Instant noted_{INT64_MIN / 2};
  int64_t waited_ = 0;  // for the processor, when it was last noted
  base::Instant next_warning_{INT64_MIN / 2};
  uint64_t unsaid_ = 0;
};

}  // namespace cutwater::io
