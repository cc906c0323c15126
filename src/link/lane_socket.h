// Descriptors on a lane socket (SOCK_SEQPACKET, one pair per front and lane). One message is 12 bytes,
// little-endian, u32 slot | u32 generation | u32 id, with exactly one descriptor (SCM_RIGHTS). Never blocks.
//
//   down: the body of a kDescriptor request, in answer to its kBodyWanted; id 0; to be read from offset 0
//   up:   the file of a kFile frame, sent before it; id is the frame's value, counting up from 1 in each lane
#pragma once

#include <cstdint>
#include <optional>

#include "base/file_descriptor.h"

namespace cutwater::link {

struct LaneDescriptor {
  uint32_t slot = 0;
  uint32_t generation = 0;
  uint32_t id = 0;
  base::FileDescriptor file;  // not valid: the message was malformed and is dropped
};

// False when the socket is full or the other end gone.
bool send_lane_descriptor(int socket, uint32_t slot, uint32_t generation, uint32_t id, int file);
// nullopt: nothing there; `ended` is set when nothing will come any more.
std::optional<LaneDescriptor> receive_lane_descriptor(int socket, bool& ended);

}  // namespace cutwater::link
