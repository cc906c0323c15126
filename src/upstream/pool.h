// Pool: connections to one peer that wait for another request. What becomes readable while it waits is closed, and
// nothing that has bytes in it is ever given out: an answer nobody asked for must not meet the next request
// (faults.md 108).
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/task.h"
#include "io/loop.h"
#include "io/stream.h"

namespace cutwater::upstream {

class Pool {
 public:
  // Keeps `most` connections, each for `longest_idle`. `loop` outlives the pool.
  Pool(io::Loop& loop, size_t most, base::Duration longest_idle)
      : loop_(loop), most_(most), longest_idle_(longest_idle) {}

  // How sure it is that nothing has come on what is given out, not even its end.
  enum class Silence {
    kSure,
    kSinceLastTurn,  // what comes while this turn runs may be missed, as what comes a moment later always is
  };
  // The one used last, or nullptr. One that has been idle for longer than `freshness` is left where it is.
  std::unique_ptr<io::Stream> take(base::Duration freshness, Silence silence = Silence::kSure);
  // Its last answer was read to the end. The oldest goes when there are too many. `again`: it was a kept one before.
  void keep(std::unique_ptr<io::Stream> stream, bool again = false);
  // Whether the peer is known to take another request on a connection: some that speak FastCGI end it after each
  // answer, whatever they were asked. One that was kept has taken another, and none has ended since instead.
  bool proven() const { return proven_; }
  void doubt() { proven_ = false; }
  void close_all() { idle_.clear(); }

  size_t size();

 private:
  struct Idle {
    std::unique_ptr<io::Stream> stream;  // nullptr: it was closed
    base::Instant since;
    base::TaskSet watch;  // ends before the stream
  };
  std::vector<std::unique_ptr<Idle>>::iterator best(Silence silence);
  base::Task<void> watch(Idle& idle);
  void forget_closed();

  io::Loop& loop_;
  size_t most_;
  base::Duration longest_idle_;
  bool proven_ = false;
  bool any_closed_ = false;                  // of idle_
  std::vector<std::unique_ptr<Idle>> idle_;  // used last: at the end
};

}  // namespace cutwater::upstream
