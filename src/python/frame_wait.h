// FrameWait: how a request waits in its middle for its front, without the GIL, and where frames of other requests go
// that are found while it looks for its own.
#pragma once

#include <cstdint>

#include "link/worker_link.h"

namespace cutwater::python {

class RequestChannel;

class FrameWait {
 public:
  enum class Woken {
    kByLink,     // a request, a frame, a descriptor, room, time is up: look
    kByControl,  // the channel or a signal has something to say
    kFrontGone,  // the request's front has ended
    kError,      // a Python exception is set: a signal handler raised, or our descriptors were closed
  };
  enum class For { kFrame, kRoom, kDescriptor };

  virtual ~FrameWait() = default;
  // In the middle of a request of `front`: until a frame or room comes, or with kDescriptor a message on its lane
  // socket; at most `milliseconds` (-1: no limit). What the control channel says waits for the request's end.
  virtual Woken for_frame(RequestChannel& channel, uint32_t front, For what, int milliseconds) = 0;
  // `frame` is not of the request that received it: its payload lives until the next receive().
  virtual void of_another(const link::DownFrame& frame) { static_cast<void>(frame); }
  // In a child that the application has forked. Comes back only to whoever forked it: other requests that were running
  // are the parent's, and must not go on here.
  virtual void keep_out_of_child() {}
  // Somebody else is inside a wait or a read of `channel`, whose request ends: lets him get out of it. False: it takes
  // no more than the GIL.
  virtual bool let_out(RequestChannel& channel) { return static_cast<void>(channel), false; }
};

}  // namespace cutwater::python
