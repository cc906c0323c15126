// Peer: one server behind us: its address, its kept connections, how busy it is and whether it is believed to work.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/task.h"
#include "io/loop.h"
#include "io/timer.h"
#include "upstream/connect.h"
#include "upstream/multiplexing.h"
#include "upstream/peer_address.h"
#include "upstream/pool.h"

namespace cutwater::upstream {

class PeerUse;
class PeerWait;

struct PeerOptions {
  unsigned weight = 1;
  unsigned max_fails = 3;                               // failures in a row until it is left alone; 0: never
  base::Duration fail_time = std::chrono::seconds(10);  // for so long; then one request tries it again
  size_t keepalive = 64;                                // kept connections
  base::Duration longest_idle = std::chrono::seconds(60);
  // Since it was opened a connection takes requests for so long only, and only while many run. Where each holds a
  // process of a FastCGI server, short lives let others have it, and nobody needs to say how many there are; the
  // server is not asked whether it takes several at once.
  std::optional<base::Duration> brief_life;
};

enum class Failure {
  kAtOnce,       // asking costs little: it refuses, or breaks off
  kSlowAnswer,   // it took the connection, and then let us wait: for other requests it may be quick
  kSlowConnect,  // whoever asks waits for a deadline before it is even there
};

// Shared with the requests that run at it: it may have left its group meanwhile.
class Peer : public std::enable_shared_from_this<Peer> {
 public:
  // `loop` outlives the peer.
  Peer(io::Loop& loop, PeerAddress address, const PeerOptions& options);

  const std::string& name() const { return name_; }  // for messages
  const PeerAddress& address() const { return address_; }
  unsigned weight() const { return options_.weight; }
  const PeerOptions& options() const { return options_; }
  unsigned active() const { return active_; }
  bool is_down() const { return down_until_ != base::Instant{}; }
  // Asking it costs no wait for a connection that may never be.
  bool is_within_reach() const { return last_failure_ != Failure::kSlowConnect; }
  // When it is tried again.
  base::Instant down_until() const { return down_until_; }
  // Whether a request may go to it now: it passes its check, and it works, or its time is over and nobody is trying it.
  bool available(base::Instant now) const;

  // Each tells whether that changed what is believed of it: up -> down, down -> up.
  bool note_failure(base::Instant now, Failure failure = Failure::kAtOnce);
  // It took a connection: nobody needs to fear any more that it does not.
  void note_connected();
  bool note_success();
  // A check found it well or not: so many failures in a row count. A peer that comes back is forgiven what its
  // requests met.
  bool note_check(bool passed, unsigned fails);
  bool is_well() const { return well_; }
  // Whether any request ever had an answer: else it may speak another protocol.
  bool has_answered() const { return has_answered_; }

  // Whether a connection shall stay when its request has ended: the server is told so beforehand. With brief lives it
  // does while so many requests run that most processes have work anyway: one may be at work although it has said that
  // it is done, and whoever gets its connection waits for that. No more for a while, when a first kept one was closed
  // instead of answering: it closes all, whatever it is told.
  bool keeps_connections() const;
  bool keeps_briefly() const { return options_.brief_life.has_value(); }
  // A kept one was closed instead of answering.
  void note_stale();
  // Whether a connection may stay when its request has ended. Where each holds a process, as with php-fpm, it must not
  // while a request on a new connection may be waiting for one: it has had no answer for some time.
  bool may_keep_one() const;
  // Shared connections that are older get no new requests: one that has waited for some time on a newer one may be
  // waiting for one of them to become idle.
  base::Instant shares_since() const;
  // Ends kept ones that nobody takes while others wait so.
  void share_processes();
  // Kept ones on which nothing runs.
  void close_idle();

  Pool& pool() { return pool_; }
  // Of one that speaks FastCGI. What may be kept goes through here, not to the pool.
  Multiplexing& multiplexing() { return multiplexing_; }
  void keep_alone(PooledConnection connection);
  Connected start_connecting() { return upstream::start_connecting(loop_, address_); }
  base::Task<Connected> connect(base::Instant deadline) { return connect_to(loop_, address_, deadline); }

 private:
  friend class PeerUse;
  friend class PeerWait;

  void close_all();
  void share();

  io::Loop& loop_;
  const PeerAddress address_;
  const std::string name_;
  PeerOptions options_;
  Pool pool_;
  unsigned active_ = 0;
  PeerWait* first_wait_ = nullptr;  // the longest
  PeerWait* last_wait_ = nullptr;
  io::Timer sharing_;
  Multiplexing multiplexing_;
  base::Instant keeps_none_until_{};
  unsigned failures_ = 0;  // in a row
  Failure last_failure_ = Failure::kAtOnce;
  unsigned checks_failed_ = 0;  // in a row
  bool well_ = true;
  bool has_answered_ = false;
  const PeerUse* trial_ = nullptr;  // the request that is finding out whether it works again
  base::Instant down_until_{};
};

// A request that runs at a peer: counts for as long as it lives.
class PeerUse {
 public:
  explicit PeerUse(Peer& peer) : peer_(peer.shared_from_this()) {
    ++peer_->active_;
    if (peer_->is_down()) peer_->trial_ = this;
  }
  ~PeerUse() {
    --peer_->active_;
    if (peer_->trial_ == this) peer_->trial_ = nullptr;
  }
  PeerUse(const PeerUse&) = delete;
  PeerUse& operator=(const PeerUse&) = delete;
  Peer& peer() { return *peer_; }

 private:
  std::shared_ptr<Peer> peer_;
};

// A request on a new connection that waits for the head of its answer, likewise. The peer outlives it.
class PeerWait {
 public:
  // `opened`: the connection.
  explicit PeerWait(Peer& peer, base::Instant opened = {});
  ~PeerWait();
  PeerWait(const PeerWait&) = delete;
  PeerWait& operator=(const PeerWait&) = delete;

 private:
  friend class Peer;

  Peer& peer_;
  const base::Instant since_;
  const base::Instant opened_;
  PeerWait* previous_;
  PeerWait* next_ = nullptr;
};

}  // namespace cutwater::upstream
