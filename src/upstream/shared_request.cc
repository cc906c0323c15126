#include "upstream/shared_request.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "codec/fastcgi/request_encoder.h"
#include "upstream/fastcgi_call.h"

namespace cutwater::upstream {

using codec::fastcgi::kHeaderBytes;
using io::IoResult;
using io::IoStatus;

namespace {

constexpr size_t kKeptMemory = 64 * 1024;  // of an empty inbox

// Both bytes of the id in a record's header.
void set_request_id(char* header, uint16_t request_id) {
  header[2] = static_cast<char>(request_id >> 8);
  header[3] = static_cast<char>(request_id & 0xff);
}

}  // namespace

SharedRequest::SharedRequest(io::Loop& loop, std::shared_ptr<SharedConnection> connection, uint16_t request_id,
                             bool used_before)
    : loop_(loop),
      connection_(std::move(connection)),
      request_id_(request_id),
      used_before_(used_before),
      deadline_(loop.timers(), [this] { on_deadline(); }) {}

SharedRequest::~SharedRequest() {
  detach(true);
  std::erase(connection_->requests_, this);
  if (destroyed_) *destroyed_ = true;
}

void SharedRequest::let_end() {
  detach(false);
}

void SharedRequest::detach(bool wants_abort) {
  if (!attached_) return;
  attached_ = false;
  outbox_.clear();
  connection_->leave(request_id_, wants_abort);
}

void SharedRequest::shut_down() {
  shut_ = true;
  detach(true);
  connection_->wake_later();
}

void SharedRequest::cut_off() {
  cut_off_ = true;
  detach(true);
}

// ---- what comes

void SharedRequest::take(codec::fastcgi::RecordType type, std::string_view piece) {
  codec::fastcgi::append_header(inbox_, type, kFastcgiRequestId, piece.size());
  inbox_ += piece;
}

void SharedRequest::take_end(const codec::fastcgi::EndRequest& end) {
  codec::fastcgi::append_end_request(inbox_, kFastcgiRequestId, end);
  attached_ = false;
  outbox_.clear();
}

IoResult SharedRequest::read(std::span<char> into) {
  if (shut_) return {IoStatus::kEndOfStream, 0, 0};
  if (const size_t count = std::min(unread(), into.size()); count > 0) {
    inbox_.copy(into.data(), count, taken_);
    taken_ += count;
    if (taken_ == inbox_.size() || taken_ >= kKeptMemory) inbox_.erase(0, std::exchange(taken_, 0));
    if (inbox_.empty() && inbox_.capacity() > kKeptMemory) std::string().swap(inbox_);
    connection_->on_taken();
    return {IoStatus::kDone, count, 0};
  }
  return {is_readable() ? IoStatus::kEndOfStream : IoStatus::kWouldBlock, 0, 0};
}

// What is not read because of another one has come as well.
bool SharedRequest::has_unread() const {
  return unread() > 0 || connection_->held_up_until_ == base::kNever;
}

// ---- what is sent

IoResult SharedRequest::write(std::span<const iovec> pieces) {
  if (!takes_more()) return {IoStatus::kFailed, 0, EPIPE};
  const size_t before = outbox_.size();
  for (const iovec& piece : pieces) {
    const size_t room = kMostUnsent - outbox_.size();
    outbox_.append(static_cast<const char*>(piece.iov_base), std::min(piece.iov_len, room));
  }
  const size_t count = outbox_.size() - before;
  if (count == 0) return {IoStatus::kWouldBlock, 0, 0};
  connection_->pump();
  if (!takes_more() && !connection_->delivered(request_id_)) return {IoStatus::kFailed, 0, EPIPE};
  return {IoStatus::kDone, count, 0};
}

IoResult SharedRequest::send_file(int, uint64_t, size_t) {
  return {IoStatus::kFailed, 0, EINVAL};
}

// The next record, if it is here to its end.
bool SharedRequest::give_record(std::string& to, uint16_t request_id) {
  const auto header = codec::fastcgi::read_header(outbox_);
  if (!header) return false;
  const size_t whole = kHeaderBytes + header->content_length + header->padding_length;
  if (outbox_.size() < whole) return false;
  const size_t at = to.size();
  to.append(outbox_, 0, whole);
  set_request_id(to.data() + at, request_id);
  outbox_.erase(0, whole);
  return true;
}

// ---- who waits

bool SharedRequest::start_wait(io::ReadinessAwaiter& wait, bool for_reading, base::Instant) {
  if (for_reading ? is_readable() : is_writable()) return false;
  (for_reading ? reader_ : writer_) = &wait;
  (for_reading ? reader_began_ : writer_began_) = loop_.now();
  arm();
  return true;
}

void SharedRequest::forget_wait(io::ReadinessAwaiter& wait, bool for_reading) {
  io::ReadinessAwaiter*& slot = for_reading ? reader_ : writer_;
  if (slot == &wait) slot = nullptr;
}

void SharedRequest::wake(bool for_reading) {
  io::ReadinessAwaiter*& slot = for_reading ? reader_ : writer_;
  if (slot && (for_reading ? is_readable() : is_writable())) resume(slot, io::WaitResult::kReady);
}

// The time in which nothing was read, since another one is full, is nobody's silence.
base::Instant SharedRequest::end_of(const io::ReadinessAwaiter& wait, base::Instant began) const {
  const base::Instant held_up_until = std::min(connection_->held_up_until_, loop_.now());
  const base::Instant deadline = wait.deadline();
  if (deadline == base::kNever || held_up_until <= began) return deadline;
  return std::min(wait.limit(), std::max(deadline, held_up_until + (deadline - began)));
}

void SharedRequest::arm() {
  base::Instant next = base::kNever;
  if (reader_) next = end_of(*reader_, reader_began_);
  if (writer_) next = std::min(next, end_of(*writer_, writer_began_));
  if (next != base::kNever) deadline_.set(next);
}

void SharedRequest::on_deadline() {
  bool destroyed = false;
  destroyed_ = &destroyed;
  for (const bool for_reading : {false, true}) {
    io::ReadinessAwaiter*& slot = for_reading ? reader_ : writer_;
    if (!slot || end_of(*slot, for_reading ? reader_began_ : writer_began_) > loop_.now()) continue;
    resume(slot, io::WaitResult::kTimedOut);
    if (destroyed) return;
  }
  destroyed_ = nullptr;
  arm();
}

}  // namespace cutwater::upstream
