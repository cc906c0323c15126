// Lanes: the places in a generation's shared memory at which workers are attached. A lane is taken for a
// worker, told to every front (`worker_started`), and free again when the worker's process is gone and every
// front that was told has said `lane_free`. Given out last in, first out, so that few pages are touched. The
// master keeps a duplicate of every descriptor of a lane for as long as it is taken: a front that is started
// anew gets the very same ones.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/file_descriptor.h"
#include "base/result.h"
#include "supervise/fronts.h"

namespace cutwater::supervise {

class Lanes {
 public:
  Lanes(Fronts& fronts, std::string app, uint64_t generation, unsigned count);

  // What the worker of a lane gets; the lane sockets' other ends stay here, for the fronts.
  struct Offer {
    unsigned lane = 0;
    int wake = -1;                                   // lent
    std::vector<base::FileDescriptor> lane_sockets;  // one for each front
  };
  // nullopt with an empty error: all lanes are taken.
  std::optional<Offer> take(base::Error& error);
  // The worker's process is known: tells the fronts. `pidfd` is duplicated; false when that failed and nobody
  // was told.
  bool announce(unsigned lane, pid_t pid, int pidfd);
  // Tells the fronts that the worker of this lane shall claim no more.
  void retire(unsigned lane);
  // The worker's process has ended, or was never announced.
  void worker_gone(unsigned lane);
  // False: that front had nothing to free there.
  bool front_freed(unsigned front, unsigned lane);

  // A front was started anew: it hears of every lane it still has to know.
  void introduce(unsigned front);
  // That front will never answer for these lanes.
  void forget_front(unsigned front);

  unsigned free_count() const { return static_cast<unsigned>(free_.size()); }
  bool all_free() const { return free_.size() == lanes_.size(); }
  void check_invariants() const;  // aborts when broken

 private:
  struct Lane {
    bool taken = false;
    bool worker_gone = false;
    pid_t pid = 0;
    base::FileDescriptor wake;
    base::FileDescriptor pidfd;
    std::vector<base::FileDescriptor> front_sockets;
    std::vector<bool> awaited;  // fronts that were told and have not said lane_free
  };
  base::Result<Offer> open(unsigned index);
  void tell(unsigned front, unsigned lane);
  void free_if_over(unsigned lane);

  Fronts& fronts_;
  std::string app_;
  uint64_t generation_;
  std::vector<Lane> lanes_;
  std::vector<unsigned> free_;  // a stack
};

}  // namespace cutwater::supervise
