// Waiter: every sleep of a worker: with the GIL released, woken by its lane's eventfd, by the end of a front,
// by the master's channel or by a signal. Owns no descriptor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "link/worker_link.h"

struct pollfd;

namespace cutwater::python {

class Waiter {
 public:
  // `control` is the worker's channel; `signals` becomes readable when a Python signal arrived
  // (set_wakeup_fd).
  Waiter(link::WorkerLink& link, uint32_t fronts, int control, int signals)
      : link_(link), fronts_(fronts), control_(control), signals_(signals) {}

  enum class Woken {
    kByLink,     // a request, a frame, a descriptor, room, time is up: look
    kByControl,  // the channel or a signal has something to say
    kFrontGone,  // the request's front has ended
    kError,      // a Python exception is set: a signal handler raised, or our descriptors were closed
  };
  // Until a request is queued.
  Woken for_request();
  // In the middle of a request of `front`: until a frame or room comes, and with `for_descriptor` a message
  // on its lane socket; at most `milliseconds` (-1: no limit). What the control channel says waits for the
  // request's end.
  Woken for_frame(uint32_t front, bool for_descriptor, int milliseconds);
  // True when the channel or a signal waits to be looked at. Never blocks.
  bool control_pending() const;

 private:
  // Polls `entries`, of which the first is the lane's eventfd, without the GIL.
  Woken sleep(std::vector<pollfd>& entries, int milliseconds);

  link::WorkerLink& link_;
  uint32_t fronts_;
  int control_;
  int signals_;
};

}  // namespace cutwater::python
