#include "io/listener.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <cerrno>
#include <string>
#include <utility>

namespace cutwater::io {

namespace {

constexpr size_t kAcceptsPerEvent = 64;  // then other connections have their turn
constexpr int kAcceptFlags = SOCK_NONBLOCK | SOCK_CLOEXEC;
constexpr base::Duration kRetryAfter = std::chrono::milliseconds(100);
constexpr base::Duration kLogAtMostEvery = std::chrono::seconds(1);

bool is_shortage(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

// Clients speak first in every protocol we serve: the kernel keeps a newcomer until its first bytes are there, or for a
// second, and the front is woken once, not twice.
//
// The others are inherited by accepted sockets: a few system calls for all of them. A peer that vanished without a word
// is noticed two minutes after its last one, also where no other deadline runs: in a tunnel, or while a request waits.
void set_tcp_options(int socket) {
  const auto set = [socket](int level, int option, int value) {
    setsockopt(socket, level, option, &value, sizeof value);
  };
  set(IPPROTO_TCP, TCP_DEFER_ACCEPT, 1);  // seconds
  set(IPPROTO_TCP, TCP_NODELAY, 1);
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 60);   // seconds
  set(IPPROTO_TCP, TCP_KEEPINTVL, 15);  // seconds
  set(IPPROTO_TCP, TCP_KEEPCNT, 4);
}

}  // namespace

Listener::Listener(Loop& loop, base::FileDescriptor socket, base::LogSink& log, Accept accept)
    : loop_(loop), socket_(std::move(socket)), log_(log), accept_(std::move(accept)), retry_(loop.timers(), [this] {
        update_registration();
      }) {
  if (auto local = local_address_of(socket_.get())) local_ = std::move(*local);
  if (!local_.is_unix) set_tcp_options(socket_.get());
  update_registration();
}

Listener::~Listener() {
  if (registered_) loop_.remove(socket_.get(), *this);
  if (destroyed_) *destroyed_ = true;
}

void Listener::pause() {
  paused_ = true;
  update_registration();
}

void Listener::resume() {
  paused_ = false;
  update_registration();
}

// EPOLLEXCLUSIVE: of several fronts on one socket not all wake for one connection. It allows no
// EPOLL_CTL_MOD.
void Listener::update_registration() {
  const bool wanted = !paused_ && !retry_.armed();
  if (wanted == registered_) return;
  if (!wanted) {
    loop_.remove(socket_.get(), *this);
    registered_ = false;
    return;
  }
  registered_ = loop_.add(socket_.get(), EPOLLIN | EPOLLEXCLUSIVE, *this).ok();
  if (!registered_) retry_.set(loop_.now() + kRetryAfter);
}

void Listener::on_events(uint32_t) {
  accept_up_to(kAcceptsPerEvent);
}

void Listener::take_waiting(size_t most) {
  accept_up_to(most);
}

void Listener::accept_up_to(size_t most) {
  bool destroyed = false;
  destroyed_ = &destroyed;
  for (size_t count = 0; count < most && !paused_; ++count) {
    sockaddr_storage raw;
    socklen_t length = sizeof raw;
    // Clients of a unix socket have no name that would say anything.
    base::FileDescriptor accepted(
        local_.is_unix ? accept4(socket_.get(), nullptr, nullptr, kAcceptFlags)
                       : accept4(socket_.get(), reinterpret_cast<sockaddr*>(&raw), &length, kAcceptFlags));
    if (!accepted.valid()) {
      const int error = errno;
      if (error == EAGAIN || error == EWOULDBLOCK) break;
      if (is_shortage(error) || error == EBADF || error == EINVAL) {
        back_off(error);
        break;
      }
      continue;  // ECONNABORTED and the errors of a connection that died in the queue: on to the next
    }
    accept_(std::move(accepted),
            local_.is_unix ? Address{.host = {}, .port = 0, .is_unix = true} : to_address(raw, length));
    if (destroyed) return;
  }
  destroyed_ = nullptr;
}

void Listener::back_off(int error) {
  const base::Instant now = base::monotonic_now();
  retry_.set(now + kRetryAfter);
  update_registration();
  if (now - last_logged_ < kLogAtMostEvery) return;
  last_logged_ = now;
  log_.error("",
             base::system_error("cannot accept on " + to_text(local_) + ", trying again every 100 ms", error).message);
}

}  // namespace cutwater::io
