#include "link/descriptor_message.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace cutwater::link {
namespace {

// Room for a few descriptors more than allowed, so that none is lost unclosed when a sender breaks the rule.
constexpr size_t kMostDescriptors = 4;

union Control {
  char bytes[CMSG_SPACE(kMostDescriptors * sizeof(int))];
  cmsghdr alignment;
};

// Closes all descriptors of the message but the only one.
base::FileDescriptor take_descriptor(msghdr& header) {
  base::FileDescriptor taken;
  size_t count = 0;
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    size_t descriptors = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t index = 0; index < descriptors; ++index) {
      int descriptor;
      std::memcpy(&descriptor, CMSG_DATA(part) + index * sizeof(int), sizeof descriptor);
      taken.reset(descriptor);
      ++count;
    }
  }
  if (count != 1 || (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) taken.reset();
  return taken;
}

}  // namespace

bool send_descriptor(int socket, const DescriptorMessage& message, int descriptor) {
  DescriptorMessage copy = message;
  iovec piece{&copy, sizeof copy};
  Control control{};
  msghdr header{};
  header.msg_iov = &piece;
  header.msg_iovlen = 1;
  header.msg_control = control.bytes;
  header.msg_controllen = CMSG_SPACE(sizeof(int));
  cmsghdr* part = CMSG_FIRSTHDR(&header);
  part->cmsg_level = SOL_SOCKET;
  part->cmsg_type = SCM_RIGHTS;
  part->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(part), &descriptor, sizeof descriptor);
  ssize_t sent;
  do sent = sendmsg(socket, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  return sent == static_cast<ssize_t>(sizeof copy);
}

ReceiveStatus receive_descriptor(int socket, DescriptorMessage& message, base::FileDescriptor& descriptor) {
  descriptor.reset();
  DescriptorMessage copy;
  iovec piece{&copy, sizeof copy};
  Control control{};
  msghdr header{};
  header.msg_iov = &piece;
  header.msg_iovlen = 1;
  header.msg_control = control.bytes;
  header.msg_controllen = sizeof control.bytes;
  ssize_t received;
  do received = recvmsg(socket, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  while (received < 0 && errno == EINTR);
  if (received < 0) return errno == EAGAIN ? ReceiveStatus::kNothing : ReceiveStatus::kEnded;
  base::FileDescriptor taken = take_descriptor(header);
  if (received == 0) return ReceiveStatus::kEnded;
  if (received != static_cast<ssize_t>(sizeof copy)) return ReceiveStatus::kReceived;
  message = copy;
  descriptor = std::move(taken);
  return ReceiveStatus::kReceived;
}

}  // namespace cutwater::link
