#include "upstream/connect.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <cerrno>

namespace cutwater::upstream {

namespace {

int pending_error(int socket) {
  int error = 0;
  socklen_t length = sizeof error;
  return getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &length) == 0 ? error : errno;
}

}  // namespace

base::Task<Connected> connect_to(io::Loop& loop, const PeerAddress& address, base::Instant deadline) {
  const int family = address.raw.ss_family;
  base::FileDescriptor socket(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  Connected result;
  if (!socket.valid()) {
    result.error = errno;
    co_return result;
  }
  if (family != AF_UNIX) {
    const int on = 1;
    setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  const int outcome = ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address.raw), address.length);
  const int error = outcome == 0 ? 0 : errno;
  if (error != 0 && error != EINPROGRESS && error != EINTR) {  // EAGAIN: a unix socket whose backlog is full
    result.error = error;
    co_return result;
  }
  const io::Carrier carrier = family == AF_UNIX ? io::Carrier::kUnix : io::Carrier::kTcp;
  auto stream = io::make_socket_stream(loop, std::move(socket), io::Opened::kByUs, carrier);
  if (error != 0) {
    const io::WaitResult waited = co_await stream->writable(deadline);
    result.error = waited == io::WaitResult::kTimedOut ? ETIMEDOUT : pending_error(stream->descriptor());
    if (result.error != 0) co_return result;
  }
  result.stream = std::move(stream);
  co_return result;
}

}  // namespace cutwater::upstream
