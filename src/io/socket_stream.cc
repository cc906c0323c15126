#include "io/socket_stream.h"

#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace cutwater::io {

namespace {

constexpr uint32_t kInput = EPOLLIN | EPOLLPRI | EPOLLRDHUP;
constexpr uint32_t kDead = EPOLLHUP | EPOLLERR;  // reported whether asked for or not

IoResult result_of(ssize_t count) {
  if (count >= 0) return {IoStatus::kDone, static_cast<size_t>(count), 0};
  if (errno == EAGAIN || errno == EWOULDBLOCK) return {IoStatus::kWouldBlock, 0, 0};
  return {IoStatus::kFailed, 0, errno};
}

template <class Call>
IoResult without_interruption(Call call) {
  ssize_t count;
  do {
    count = call();
  } while (count < 0 && errno == EINTR);
  return result_of(count);
}

}  // namespace

std::unique_ptr<Stream> make_socket_stream(Loop& loop, base::FileDescriptor socket, Opened opened, Carrier carrier) {
  return std::make_unique<SocketStream>(loop, std::move(socket), opened, carrier);
}

SocketStream::SocketStream(Loop& loop, base::FileDescriptor socket, Opened opened, Carrier carrier)
    : loop_(loop), socket_(std::move(socket)), opened_(opened), carrier_(carrier), deadline_(loop.timers(), [this] {
        on_deadline();
      }) {}

SocketStream::~SocketStream() {
  let_last_go();
  if (registration_ == Registration::kActive) loop_.forget(*this);  // the socket is ours alone and closes now
  if (registration_ == Registration::kDeferred) loop_.take_back(*this);
  if (destroyed_) *destroyed_ = true;
}

// A read ends early before an urgent byte, which epoll tells of, and behind descriptors that came along: the kernel
// closes those, as nobody asked for them, and says so.
IoResult SocketStream::receive(std::span<char> into) {
  iovec room{into.data(), into.size()};
  msghdr message{};
  message.msg_iov = &room;
  message.msg_iovlen = 1;
  IoResult result = without_interruption([&] {
    if (carrier_ == Carrier::kUnix) return ::recvmsg(socket_.get(), &message, 0);
    return ::recv(socket_.get(), into.data(), into.size(), 0);
  });
  const bool ended_early = urgent_came_ || (message.msg_flags & MSG_CTRUNC) != 0;
  const bool took_all = result.status == IoStatus::kDone && result.count < into.size() && !ended_early;
  if (took_all || result.status == IoStatus::kWouldBlock) may_have_more_ = false;
  if (result.status != IoStatus::kDone) return result;
  if (result.count == 0) result.status = IoStatus::kEndOfStream;
  if (carrier_ != Carrier::kTcp) loop_.neighbour_spoke();
  return result;
}

IoResult SocketStream::read(std::span<char> into) {
  if (ahead_.any()) return take_ahead(into);
  const IoResult result = receive(into);
  if (result.count < ReadRoom::kPlaceSize) reads_much_ = false;
  return result;
}

// Only what is sure to be bytes, and wanted.
void SocketStream::read_ahead(uint32_t events, std::span<char> room) {
  if (events != EPOLLIN || !with_others_ || !reader_ || reads_much_ || ahead_.any()) return;
  may_have_more_ = true;
  const IoResult result = receive(room);
  reads_much_ = result.count == room.size();
  ahead_.put(result, room);
}

IoResult SocketStream::take_ahead(std::span<char> into) {
  IoResult result = ahead_.take(into);
  if (result.status != IoStatus::kDone || ahead_.any() || !may_have_more_ || result.count == into.size()) return result;
  const IoResult more = receive(into.subspan(result.count));
  if (more.status == IoStatus::kDone) result.count += more.count;
  if (more.status != IoStatus::kDone) ahead_.put(more, {});
  return result;
}

IoResult SocketStream::write(std::span<const iovec> pieces) {
  if (pieces.size() == 1) {
    const iovec& piece = pieces.front();
    return without_interruption([&] { return ::send(socket_.get(), piece.iov_base, piece.iov_len, send_flags_); });
  }
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(pieces.data());  // sendmsg does not write to it
  message.msg_iovlen = pieces.size();
  return without_interruption([&] { return ::sendmsg(socket_.get(), &message, send_flags_); });
}

IoResult SocketStream::send_file(int file, uint64_t offset, size_t length) {
  off_t position = static_cast<off_t>(offset);
  return without_interruption([&] { return ::sendfile(socket_.get(), file, &position, length); });
}

void SocketStream::end_follows() {
  if (carrier_ == Carrier::kUnix) return;  // no packets there
  send_flags_ |= MSG_MORE;
  holds_last_ = true;
}

// Where input is left that nobody read, close() alone would drop what waits to be sent.
void SocketStream::let_last_go() {
  if (holds_last_) shutdown_write();
}

void SocketStream::shutdown_write() {
  holds_last_ = false;
  ::shutdown(socket_.get(), SHUT_WR);
}

void SocketStream::close() {
  if (reader_ || writer_) return shut_down();  // epoll tells them
  ahead_.drop();
  if (registration_ == Registration::kActive) loop_.forget(*this);
  if (registration_ == Registration::kDeferred) loop_.take_back(*this);
  registration_ = Registration::kGone;
  let_last_go();
  socket_ = base::FileDescriptor();
}

void SocketStream::shut_down() {
  ::shutdown(socket_.get(), SHUT_RDWR);
}

bool SocketStream::was_silent() const {
  return registration_ == Registration::kActive && reader_ != nullptr && !loop_.may_have_events_for(*this);
}

bool SocketStream::has_unread() const {
  char byte;
  return ahead_.any() || ::recv(socket_.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

bool SocketStream::readable_now() const {
  pollfd state{socket_.get(), POLLIN, 0};
  return ahead_.any() || poll(&state, 1, 0) > 0;
}

size_t SocketStream::unacknowledged() const {
  int queued = 0;
  if (ioctl(socket_.get(), SIOCOUTQ, &queued) != 0 || queued < 0) return 0;
  return static_cast<size_t>(queued);
}

void SocketStream::reset_on_close() {
  const linger at_once{1, 0};
  setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  holds_last_ = false;
}

void SocketStream::listen_for_hangup(HangupListener* listener) {
  hangup_listener_ = listener;
  ask_for_end();
}

// The end may have come together with the last bytes that somebody read, or when nobody was to be told of it.
void SocketStream::ask_for_end() {
  if (hangup_listener_ && read_ended_ && registration_ == Registration::kActive) set_interest(interest_);
}

bool SocketStream::start_wait(ReadinessAwaiter& wait, bool for_reading, base::Instant deadline) {
  if (registration_ == Registration::kGone || (for_reading && (read_ended_ || ahead_.any()))) return false;
  const bool first = registration_ == Registration::kNone;
  const uint32_t wanted = interest_ | kInput | (for_reading ? uint32_t{0} : uint32_t{EPOLLOUT});
  // Of what was told already epoll tells again when it is asked anew.
  if (wanted != interest_ || !for_reading || may_have_more_) set_interest(wanted);
  if (first && for_reading && opened_ == Opened::kByPeer) return false;
  (for_reading ? reader_ : writer_) = &wait;
  if (deadline < deadline_.deadline()) {
    deadline_.set(deadline);
  } else if (!(for_reading ? writer_ : reader_) && deadline != base::kNever) {
    deadline_.set(deadline);
  }
  return true;
}

void SocketStream::forget_wait(ReadinessAwaiter& wait, bool for_reading) {
  ReadinessAwaiter*& slot = for_reading ? reader_ : writer_;
  if (slot == &wait) slot = nullptr;
}

void SocketStream::on_events(uint32_t events) {
  if (events & (EPOLLRDHUP | kDead)) read_ended_ = true;
  if ((events & EPOLLIN) && !ahead_.any()) may_have_more_ = true;
  if (events & EPOLLPRI) urgent_came_ = true;
  bool destroyed = false;
  destroyed_ = &destroyed;
  if (events & (EPOLLOUT | kDead)) {
    if (writer_) {
      resume(writer_, WaitResult::kReady);
      if (destroyed) return;
    }
    if (!writer_ && (interest_ & EPOLLOUT)) set_interest(interest_ & ~uint32_t{EPOLLOUT});
  }
  if (events & (EPOLLIN | EPOLLRDHUP | kDead)) {
    const bool was_read = reader_ != nullptr;
    if (was_read) {
      resume(reader_, WaitResult::kReady);
    } else {
      nobody_reads(events);
    }
    if (destroyed) return;
    if (was_read) ask_for_end();
  }
  ahead_.keep();
  destroyed_ = nullptr;
}

// A dead connection is of no more interest, unless somebody still waits to be told so by a write.
void SocketStream::nobody_reads(uint32_t events) {
  if ((events & kDead) && !writer_ && registration_ == Registration::kActive) leave_epoll();
  if (!read_ended_ || !hangup_listener_) return;
  if (events & kDead) {
    std::exchange(hangup_listener_, nullptr)->on_hangup(Hangup::kGone);
  } else if (!std::exchange(hangup_told_, true)) {
    hangup_listener_->on_hangup(Hangup::kSendingEnded);
  }
}

void SocketStream::on_deadline() {
  bool destroyed = false;
  destroyed_ = &destroyed;
  const base::Instant now = loop_.now();
  for (ReadinessAwaiter** slot : {&writer_, &reader_}) {
    if (!*slot || (*slot)->deadline() > now) continue;
    resume(*slot, WaitResult::kTimedOut);
    if (destroyed) return;
  }
  destroyed_ = nullptr;
  base::Instant next = base::kNever;
  if (reader_) next = reader_->deadline();
  if (writer_) next = std::min(next, writer_->deadline());
  if (next != base::kNever) deadline_.set(next);
}

void SocketStream::set_interest(uint32_t events) {
  interest_ = events;
  if (registration_ == Registration::kActive) {
    loop_.modify(socket_.get(), events | EPOLLET, *this);
  } else if (registration_ == Registration::kNone) {
    registration_ = Registration::kDeferred;
    loop_.defer(*this);
  }
}

// When the kernel refuses, nothing could ever be heard of this connection: it ends, for both sides to see.
void SocketStream::before_wait() {
  registration_ = Registration::kActive;
  if (loop_.add(socket_.get(), interest_ | EPOLLET, *this)) return;
  registration_ = Registration::kGone;
  interest_ = 0;
  ::shutdown(socket_.get(), SHUT_RDWR);
  loop_.run_hooks_again();  // the loop shall not block over what comes of it
  on_events(EPOLLHUP);
}

void SocketStream::leave_epoll() {
  loop_.remove(socket_.get(), *this);
  registration_ = Registration::kGone;
  interest_ = 0;
}

}  // namespace cutwater::io
