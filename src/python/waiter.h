// Waiter: every sleep of a worker that runs one request at a time: with the GIL released, woken by its lane's eventfd,
// by the end of a front, by the master's channel or by a signal. Owns no descriptor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "link/worker_link.h"
#include "python/frame_wait.h"

struct pollfd;

namespace cutwater::python {

class Waiter final : public FrameWait {
 public:
  // `control` is the worker's channel; `signals` becomes readable when a Python signal arrived
  // (set_wakeup_fd).
  Waiter(link::WorkerLink& link, uint32_t fronts, int control, int signals)
      : link_(link), fronts_(fronts), control_(control), signals_(signals) {}

  // Until a request is queued.
  Woken for_request();
  Woken for_frame(RequestChannel& channel, uint32_t front, For what, int milliseconds) override;
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
