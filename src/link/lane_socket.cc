#include "link/lane_socket.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace cutwater::link {
namespace {

// Room for a few descriptors more than allowed, so that none is lost unclosed when a sender breaks the rule.
constexpr size_t kMostDescriptors = 4;

struct Message {
  uint32_t slot;
  uint32_t generation;
  uint32_t id;
};
static_assert(sizeof(Message) == 12);

union Control {
  char bytes[CMSG_SPACE(kMostDescriptors * sizeof(int))];
  cmsghdr alignment;
};

// Points to both, which must outlive it.
msghdr make_header(iovec& piece, Control& control, size_t control_bytes) {
  msghdr header{};
  header.msg_iov = &piece;
  header.msg_iovlen = 1;
  header.msg_control = control.bytes;
  header.msg_controllen = control_bytes;
  return header;
}

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

bool send_lane_descriptor(int socket, uint32_t slot, uint32_t generation, uint32_t id, int file) {
  Message message{slot, generation, id};
  iovec piece{&message, sizeof message};
  Control control{};
  msghdr header = make_header(piece, control, CMSG_SPACE(sizeof(int)));
  cmsghdr* part = CMSG_FIRSTHDR(&header);
  part->cmsg_level = SOL_SOCKET;
  part->cmsg_type = SCM_RIGHTS;
  part->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(part), &file, sizeof file);
  ssize_t sent;
  do sent = sendmsg(socket, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  return sent == static_cast<ssize_t>(sizeof message);
}

std::optional<LaneDescriptor> receive_lane_descriptor(int socket, bool& ended) {
  Message message{};
  iovec piece{&message, sizeof message};
  Control control{};
  msghdr header = make_header(piece, control, sizeof control.bytes);
  ssize_t received;
  do received = recvmsg(socket, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  while (received < 0 && errno == EINTR);
  if (received <= 0) {
    if (received == 0) take_descriptor(header);  // closes what an empty message may have brought
    ended = received == 0 || errno != EAGAIN;
    return std::nullopt;
  }
  LaneDescriptor taken{message.slot, message.generation, message.id, take_descriptor(header)};
  if (received != static_cast<ssize_t>(sizeof message)) taken.file.reset();
  return taken;
}

}  // namespace cutwater::link
