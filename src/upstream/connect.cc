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

Connected start_connecting(io::Loop& loop, const PeerAddress& address) {
  const int family = address.raw.ss_family;
  base::FileDescriptor socket(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  Connected result;
  if (!socket.valid()) {
    result.error = errno;
    return result;
  }
  if (family != AF_UNIX) {
    const int on = 1;
    setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  const int outcome = ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address.raw), address.length);
  result.error = outcome == 0 ? 0 : errno;
  if (result.error == EINTR) result.error = EINPROGRESS;
  if (result.error != 0 && result.error != EINPROGRESS) return result;  // EAGAIN: a unix socket whose backlog is full
  const io::Carrier carrier = family == AF_UNIX ? io::Carrier::kUnix : io::Carrier::kTcp;
  result.opened = loop.now();
  result.stream = io::make_socket_stream(loop, std::move(socket), io::Opened::kByUs, carrier);
  return result;
}

base::Task<Connected> finish_connecting(Connected begun, base::Instant deadline) {
  const io::WaitResult waited = co_await begun.stream->writable(deadline);
  begun.error = waited == io::WaitResult::kTimedOut ? ETIMEDOUT : pending_error(begun.stream->descriptor());
  if (begun.error != 0) begun.stream.reset();
  co_return begun;
}

base::Task<Connected> connect_to(io::Loop& loop, const PeerAddress& address, base::Instant deadline) {
  Connected result = start_connecting(loop, address);
  if (!result.in_progress()) co_return result;
  auto finishing = finish_connecting(std::move(result), deadline);
  co_return co_await finishing;
}

}  // namespace cutwater::upstream
