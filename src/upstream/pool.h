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

// A connection between two requests.
struct PooledConnection {
  std::unique_ptr<io::Stream> stream;
  base::Instant opened{};
  bool used_before = false;  // it was a kept one for its last request already
};

class Pool {
 public:
  struct Limits {
    size_t most;  // connections
    base::Duration longest_idle;
    base::Duration longest_life = base::Duration::max();  // since it was opened, while it is kept
  };
  // `loop` outlives the pool.
  Pool(io::Loop& loop, const Limits& limits) : loop_(loop), limits_(limits) {}

  // How sure it is that nothing has come on what is given out, not even its end.
  enum class Silence {
    kSure,
    kSinceLastTurn,  // what comes while this turn runs may be missed, as what comes a moment later always is
  };
  // The one used last, or one without a stream. One that has been idle for longer than `freshness` is left where it is.
  PooledConnection take(base::Duration freshness, Silence silence = Silence::kSure);
  // Its last answer was read to the end. The oldest goes when there are too many.
  void keep(PooledConnection connection);
  // Whether the peer is known to take another request on a connection: some that speak FastCGI end it after each
  // answer, whatever they were asked. One that was kept has taken another, and none has ended since instead.
  bool proven() const { return proven_; }
  void doubt() { proven_ = false; }
  void close_all() { idle_.clear(); }

  size_t size();

 private:
  struct Idle {
    std::unique_ptr<io::Stream> stream;  // nullptr: it was closed
    base::Instant opened;
    base::Instant since;
    base::TaskSet watch;  // ends before the stream
  };
  std::vector<std::unique_ptr<Idle>>::iterator best(Silence silence);
  base::Task<void> watch(Idle& idle);
  void forget_closed();

  io::Loop& loop_;
  const Limits limits_;
  bool proven_ = false;
  bool any_closed_ = false;                  // of idle_
  std::vector<std::unique_ptr<Idle>> idle_;  // used last: at the end
};

}  // namespace cutwater::upstream
