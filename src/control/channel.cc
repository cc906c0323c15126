#include "control/channel.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cstring>

namespace cutwater::control {
namespace {

constexpr size_t kMostBytes = 64 * 1024;
constexpr size_t kMostDescriptors = 253;  // SCM_MAX_FD: the kernel takes no more
// A peer that has not read this many messages will not read them any more.
constexpr size_t kMostWaiting = 4096;

enum class Sent { kDone, kFull, kGone };

Sent send_now(int socket, const std::string& text, const std::vector<int>& descriptors) {
  iovec piece{const_cast<char*>(text.data()), text.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * kMostDescriptors)> ancillary{};
  msghdr header{};
  header.msg_iov = &piece;
  header.msg_iovlen = 1;
  if (!descriptors.empty()) {
    const size_t bytes = descriptors.size() * sizeof(int);
    header.msg_control = ancillary.data();
    header.msg_controllen = CMSG_SPACE(bytes);
    cmsghdr* part = CMSG_FIRSTHDR(&header);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(bytes);
    std::memcpy(CMSG_DATA(part), descriptors.data(), bytes);
  }
  while (true) {
    if (sendmsg(socket, &header, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return Sent::kDone;
    if (errno == EINTR) continue;
    // ETOOMANYREFS: too many descriptors are in flight; they land as soon as the peers read.
    const bool later = errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS || errno == ETOOMANYREFS;
    return later ? Sent::kFull : Sent::kGone;
  }
}

std::vector<base::FileDescriptor> take_descriptors(msghdr& header) {
  std::vector<base::FileDescriptor> taken;
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int descriptor = -1;
      std::memcpy(&descriptor, CMSG_DATA(part) + i * sizeof(int), sizeof descriptor);
      taken.emplace_back(descriptor);
    }
  }
  return taken;
}

}  // namespace

std::optional<nlohmann::json> parse_message(std::string_view text) {
  nlohmann::json body = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!body.is_object()) return std::nullopt;
  auto type = body.find("type");
  if (type == body.end() || !type->is_string()) return std::nullopt;
  return body;
}

base::Result<std::pair<Channel, Channel>> Channel::make_pair() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
    return base::system_error("cannot make a channel");
  }
  return std::pair(Channel(base::FileDescriptor(ends[0])), Channel(base::FileDescriptor(ends[1])));
}

namespace {

std::string to_text(const nlohmann::json& body) {
  return body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

bool Channel::fits(const nlohmann::json& body) {
  return to_text(body).size() <= kMostBytes;
}

bool Channel::send(const nlohmann::json& body, std::vector<int> descriptors) {
  if (!socket_.valid() || ended_) return false;
  error_.clear();
  std::string text = to_text(body);
  if (text.size() > kMostBytes || descriptors.size() > kMostDescriptors) {
    error_ = "a message of " + std::to_string(text.size()) + " bytes with " + std::to_string(descriptors.size()) +
             " descriptors is too large to send";
    return false;
  }
  if (waiting_.empty()) {
    Sent sent = send_now(socket_.get(), text, descriptors);
    if (sent != Sent::kFull) return sent == Sent::kDone;
  }
  if (waiting_.size() >= kMostWaiting) return false;
  Waiting kept{std::move(text), {}};
  for (int descriptor : descriptors) {
    kept.descriptors.emplace_back(fcntl(descriptor, F_DUPFD_CLOEXEC, 0));
    if (!kept.descriptors.back().valid()) return false;
  }
  waiting_.push_back(std::move(kept));
  return true;
}

bool Channel::flush() {
  while (!waiting_.empty()) {
    std::vector<int> descriptors;
    for (const base::FileDescriptor& descriptor : waiting_.front().descriptors) descriptors.push_back(descriptor.get());
    Sent sent = send_now(socket_.get(), waiting_.front().text, descriptors);
    if (sent == Sent::kFull) return false;
    if (sent == Sent::kGone) {
      waiting_.clear();  // the reading side will see the end of the channel
      return true;
    }
    waiting_.pop_front();
  }
  return true;
}

// Looked at first and taken out of the socket only when its descriptors have come too: the kernel drops those it has
// no room for, and with them a worker or a generation would be lost. The control buffer holds whatever can be sent, so
// descriptors that are cut off mean just that.
Channel::Outcome Channel::receive(Message& message) {
  if (!socket_.valid() || ended_) return Outcome::kClosed;
  static thread_local std::array<char, kMostBytes> buffer;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * kMostDescriptors)> ancillary;
  iovec piece{buffer.data(), buffer.size()};
  msghdr header{};
  header.msg_iov = &piece;
  header.msg_iovlen = 1;
  header.msg_control = ancillary.data();
  header.msg_controllen = ancillary.size();
  const auto look = [&] { return recvmsg(socket_.get(), &header, MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC); };
  ssize_t size;
  do {
    size = look();
  } while (size < 0 && errno == EINTR);
  // A peer that died with our messages unread resets the connection. That is told first and once; its last words are
  // behind it.
  if (size < 0 && errno == ECONNRESET) size = look();
  if (size < 0) {
    if (errno == EAGAIN || errno == EWOULDBLOCK) return Outcome::kNothing;
    return close_because(errno == ECONNRESET ? "" : base::system_error("reading a channel").message);
  }
  message.descriptors = take_descriptors(header);
  if (size == 0) return close_because("");
  if (header.msg_flags & MSG_CTRUNC) {
    message.descriptors.clear();
    return Outcome::kNoRoom;
  }
  recv(socket_.get(), nullptr, 0, MSG_DONTWAIT);
  if (header.msg_flags & MSG_TRUNC) return close_because("a message of more than 64 KiB");
  std::optional<nlohmann::json> body = parse_message({buffer.data(), static_cast<size_t>(size)});
  if (!body) return close_because("a message that is no JSON object with a type");
  message.body = std::move(*body);
  return Outcome::kMessage;
}

Channel::Outcome Channel::close_because(std::string why) {
  // The descriptor lives on until the owner has taken it out of its event loop.
  shutdown(socket_.get(), SHUT_RDWR);
  ended_ = true;
  error_ = std::move(why);
  waiting_.clear();
  return Outcome::kClosed;
}

}  // namespace cutwater::control
