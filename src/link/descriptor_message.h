// Descriptors on a lane socket (SOCK_SEQPACKET): one message carries one descriptor and 16 bytes that say
// whose it is: u32 purpose | u32 slot | u32 generation | u32 id. Sending and receiving never block.
#pragma once

#include <cstdint>

#include "base/file_descriptor.h"

namespace cutwater::link {

enum class DescriptorPurpose : uint32_t { kRequestBody = 1, kResponseFile = 2 };

struct DescriptorMessage {
  DescriptorPurpose purpose{};
  uint32_t slot = 0;
  uint32_t generation = 0;
  uint32_t id = 0;
  friend bool operator==(const DescriptorMessage&, const DescriptorMessage&) = default;
};

bool send_descriptor(int socket, const DescriptorMessage& message, int descriptor);

enum class ReceiveStatus { kReceived, kNothing, kEnded };
// kReceived with an invalid descriptor: a malformed message was dropped, go on with the next.
ReceiveStatus receive_descriptor(int socket, DescriptorMessage& message, base::FileDescriptor& descriptor);

}  // namespace cutwater::link
