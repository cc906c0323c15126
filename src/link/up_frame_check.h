// What a front does with a frame of a request: the order in which a response may come. The header was copied;
// slot, generation and claimer were checked.
#pragma once

#include "link/frame.h"
#include "link/slot_store.h"

namespace cutwater::link {

struct UpVerdict {
  bool deliver = false;          // hand it to the receiver
  bool frees = false;            // then the slot is free
  const char* broken = nullptr;  // the lane must be closed: the reason
};

// Notes head and end in `use`; turns a release before any end into a kAbort for the receiver.
UpVerdict check_up_frame(FrameHeader& frame, SlotUse& use);

}  // namespace cutwater::link
