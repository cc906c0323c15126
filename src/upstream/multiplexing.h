// Multiplexing: whether a FastCGI peer takes several requests at once on a connection, and those connections. It is
// asked (GET_VALUES), never guessed: once, on the first connection that could be kept. Whoever says no, or nothing, is
// not asked again until it has been down, and its connections are kept as those of other protocols.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/task.h"
#include "io/loop.h"
#include "io/stream.h"
#include "upstream/pool.h"
#include "upstream/shared_connection.h"
#include "upstream/shared_request.h"

namespace cutwater::upstream {

class Multiplexing final : private SharedConnectionOwner {
 public:
  // Takes a connection whose peer takes one request at a time on it, as keep() does.
  using KeepAlone = std::function<void(PooledConnection connection)>;
  // Nothing runs on one of them any more.
  using BecameIdle = std::function<void()>;
  // Keeps `most_idle` connections on which nothing runs, each for `longest_idle`; with 0 none, and the peer is never
  // asked. `loop` outlives this.
  Multiplexing(io::Loop& loop, size_t most_idle, base::Duration longest_idle, KeepAlone keep_alone,
               BecameIdle became_idle)
      : loop_(loop),
        most_idle_(most_idle),
        longest_idle_(longest_idle),
        keep_alone_(std::move(keep_alone)),
        became_idle_(std::move(became_idle)) {}
  ~Multiplexing();
  Multiplexing(const Multiplexing&) = delete;
  Multiplexing& operator=(const Multiplexing&) = delete;

  // A place on a connection that is open, or nullptr: on one where something runs, or that has been idle for no longer
  // than `freshness`. `alone`: on one where nothing else runs, nor will before it has ended: some programs (Go's
  // net/http/fcgi) read the body of one request before they read what comes behind it. `since`: on none that was there
  // before.
  std::unique_ptr<SharedRequest> take(base::Duration freshness, bool alone = false, base::Instant since = {});
  // A place on a new connection, which is shared from now on; or nullptr, and the caller has it for itself.
  std::unique_ptr<SharedRequest> share(std::unique_ptr<io::Stream>& stream, bool alone = false);
  // A connection that is nobody's now, and whose peer takes another request on it.
  void keep(PooledConnection connection);

  // The peer has refused to (CANT_MPX_CONN), or nobody shall ask it.
  void turn_off();
  // It may be another program when it comes back.
  void forget();
  // Those on which nothing runs: the peer may have no more of them at once.
  void close_idle();
  bool has_idle() const;

  size_t connections();

 private:
  enum class State { kUnknown, kAsking, kOff, kOn };
  using Connections = std::vector<std::shared_ptr<SharedConnection>>;

  base::Task<void> ask(PooledConnection connection);
  std::shared_ptr<SharedConnection> add(std::unique_ptr<io::Stream> stream, bool used_before);
  bool may_run_another() const;
  void retire_all();
  void forget_closed();
  Connections::iterator close(Connections::iterator connection);
  void on_idle() override;

  io::Loop& loop_;
  const size_t most_idle_;
  const base::Duration longest_idle_;
  const KeepAlone keep_alone_;
  const BecameIdle became_idle_;
  State state_ = State::kUnknown;
  uint64_t most_requests_ = 0;
  Connections connections_;  // the oldest first: those last opened become idle
  base::TaskSet asking_;
};

}  // namespace cutwater::upstream
