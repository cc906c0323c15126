#include "handler/app_socket.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "handler/app_request.h"

namespace cutwater::handler {

using codec::websocket::Opcode;
using message::BodyPiece;
using message::BodyStatus;
using message::WriteStatus;
namespace websocket = codec::websocket;

namespace {

constexpr uint32_t kText = 1;
constexpr uint32_t kBinary = 2;
constexpr size_t kAtOnce = 16 * 1024;  // of several messages, or of a part of one
constexpr size_t kKeptByIdle = 256;    // of memory, between two messages
constexpr size_t kMostPongs = 4096;
constexpr base::Duration kPongRetry = std::chrono::seconds(1);

}  // namespace

AppSocket::AppSocket(io::Loop& loop, AppRequest& request, message::Exchange& exchange, const WebSocketOptions& options,
                     WebSocketMemory& memory, const websocket::CompressionOffer& compression)
    : loop_(loop),
      request_(request),
      from_client_(exchange.body),
      to_client_(exchange.response),
      options_(options),
      feed_(request),
      decoder_(options.message_limit, compression.accepted() ? &memory.compression : nullptr, memory.scratch),
      encoder_(compression.accepted() ? &memory.compression : nullptr, compression.window_bits),
      unfinished_(options.unfinished),
      last_heard_(loop.now()),
      timer_(loop.timers(), [this] { look(); }) {
  request_.use_feed(&feed_);
}

AppSocket::~AppSocket() {
  request_.use_feed(nullptr);
}

base::Task<void> AppSocket::run() {
  feed_.on_wanted();
  if (options_.ping_interval > base::Duration::zero()) look_at(last_heard_ + options_.ping_interval);
  reading_.start(read_client());
  while (end_ == End::kNone) {
    const AppEvent event = co_await request_.next();
    if (event.kind == AppEvent::Kind::kClientGone) co_return to_client_.abort();
    if (event.kind == AppEvent::Kind::kMessage) {
      auto sending = send_messages(event);
      if (!co_await sending) end_ = End::kLost;
    } else {
      on_worker(event);
    }
  }
  tell_worker(websocket::kConnectionLost, {});
  if (end_ == End::kLost) co_return to_client_.abort();
  auto finishing = to_client_.finish();
  co_await finishing;
}

// ---- from the worker

// Small messages that came together go out together.
base::Task<bool> AppSocket::send_messages(const AppEvent& first) {
  std::string bytes;
  size_t taken = 0;
  AppEvent event = first;
  while (true) {
    taken += std::max<size_t>(event.bytes.size(), 1);
    if (!close_sent_) encoder_.append(bytes, event.bytes, event.text, event.last);
    if (bytes.size() >= kAtOnce || !request_.next_is(AppEvent::Kind::kMessage)) break;
    event = request_.take_next();
  }
  written_ += bytes.size();
  auto writing = to_client_.body(bytes, false);
  const WriteStatus status = co_await writing;
  request_.taken(taken);
  send_pongs();
  co_return status == WriteStatus::kWritten;
}

void AppSocket::on_worker(const AppEvent& event) {
  switch (event.kind) {
    case AppEvent::Kind::kClose:
      return send_close(event.status, event.bytes);
    case AppEvent::Kind::kShutDown:
      return send_close(event.status, {});
    case AppEvent::Kind::kEnd:
      return send_close(websocket::kNormalClosure, {});
    case AppEvent::Kind::kFailed:
      return send_close(websocket::kInternalError, {});
    default:
      return;  // the client's side has ended
  }
}

// The first close is the one that counts. What the client sends until its own is of no use to anybody.
void AppSocket::send_close(uint16_t code, std::string_view reason) {
  if (std::exchange(close_sent_, true)) return;
  std::string frame;
  websocket::append_close(frame, code, reason);
  write(frame);
  close_by_ = loop_.now() + options_.close_timeout;
  look_at(close_by_);
  drops_messages_ = true;
  feed_.on_room();
}

void AppSocket::write(std::string_view bytes) {
  written_ += bytes.size();
  // Sent or kept by the call; there is nothing to wait for.
  const auto writing = to_client_.body(bytes, false);
}

// ---- from the client

base::Task<void> AppSocket::read_client() {
  std::string kept;  // what came behind a message that there is no room for
  while (end_ == End::kNone) {
    auto reading = from_client_.read();
    reads_ = true;
    const BodyPiece piece = co_await reading;
    reads_ = false;
    last_heard_ = loop_.now();
    pinged_at_ = base::kNever;
    if (piece.status != BodyStatus::kPiece) co_return client_lost(piece.status != BodyStatus::kEnd);
    std::string_view bytes = piece.bytes;
    while (end_ == End::kNone) {
      const Event event = decoder_.next(bytes);
      if (event.kind == Event::kNeedMore) break;
      if (event.kind != Event::kData) {
        on_control(event);
        continue;
      }
      if (drops_messages_ || !count(event) || pass_on(event)) continue;
      kept = std::string(bytes);
      bytes = kept;
      send_pongs();
      while (!drops_messages_ && !flush_to_worker()) co_await feed_.change();
    }
    base::release(kept);
    send_pongs();
  }
}

// False: it was one too many, and is over.
bool AppSocket::count(const Event& event) {
  if (event.last) {
    unfinished_.end();
    return true;
  }
  if (unfinished_.grow(event.bytes.size())) return true;
  request_.report_unfinished(options_.unfinished->limit());
  Event fault;
  fault.kind = Event::kFault;
  fault.code = websocket::kTryAgainLater;
  fault.bytes = "too many long messages at once";
  on_fault(fault);
  return false;
}

// False: not all of it went, which is kept.
bool AppSocket::pass_on(const Event& event) {
  const uint32_t kind = event.text ? kText : kBinary;
  const bool whole = event.last && to_worker_.empty();
  if (whole && std::max<size_t>(event.bytes.size(), 1) <= feed_.room() &&
      feed_.send(link::DownKind::kWebSocketMessage, kind, event.bytes, 1)) {
    return true;
  }
  to_worker_ += event.bytes;
  to_worker_text_ = event.text;
  to_worker_last_ = event.last;
  return flush_to_worker();
}

// A message goes in pieces when it is long, or the worker has not room for all of it.
bool AppSocket::flush_to_worker() {
  while (to_worker_last_ || to_worker_.size() >= kAtOnce) {
    const size_t count = std::min(to_worker_.size(), feed_.room());
    if (count == 0 && (!to_worker_.empty() || feed_.room() == 0)) return false;
    const bool last = to_worker_last_ && count == to_worker_.size();
    const uint32_t kind = (to_worker_text_ ? kText : kBinary) | (last ? 0 : link::kMoreFollows);
    const std::string_view piece = std::string_view(to_worker_).substr(0, count);
    if (!feed_.send(link::DownKind::kWebSocketMessage, kind, piece, last ? 1 : 0)) return false;
    to_worker_.erase(0, count);
    if (!last) continue;
    to_worker_last_ = false;
    if (to_worker_.capacity() > kKeptByIdle) base::release(to_worker_);
  }
  return true;
}

void AppSocket::on_control(const Event& event) {
  switch (event.kind) {
    case Event::kPing:
      return on_ping(event.bytes);
    case Event::kClose:
      send_pongs();
      tell_worker(event.code, event.bytes);
      send_close(event.code, {});
      return over(End::kClosed);
    case Event::kFault:
      return on_fault(event);
    default:
      return;
  }
}

void AppSocket::on_fault(const Event& event) {
  send_pongs();
  tell_worker(event.code, event.bytes);
  send_close(event.code, event.bytes);
  over(End::kClosed);
}

// `cut`: nothing reaches it any more, either.
void AppSocket::client_lost(bool cut) {
  tell_worker(websocket::kConnectionLost, {});
  over(cut ? End::kLost : End::kClosed);
}

// Of many pings the newest need to be answered (section 5.5.3), which bounds what a flood of them makes.
void AppSocket::on_ping(std::string_view payload) {
  if (close_sent_) return;
  if (pongs_.size() > kMostPongs) pongs_.clear();
  websocket::append_control(pongs_, Opcode::kPong, payload);
}

// A client that does not read gets its pong when it does.
void AppSocket::send_pongs() {
  if (pongs_.empty() || close_sent_) return;
  if (client_is_behind()) return look_at(loop_.now() + kPongRetry);
  write(pongs_);
  base::release(pongs_);
}

bool AppSocket::client_is_behind() const {
  return written_ > to_client_.body_bytes_sent() + kAtOnce;
}

// ---- both

void AppSocket::tell_worker(uint16_t code, std::string_view reason) {
  if (std::exchange(told_worker_, true)) return;
  if (!feed_.send(link::DownKind::kWebSocketClose, code, reason) && !reason.empty()) {
    feed_.send(link::DownKind::kWebSocketClose, code, {});
  }
}

// run() goes on at the end of the turn: this may be within what it owns.
void AppSocket::over(End end) {
  if (end_ != End::kNone) return;
  end_ = end;
  request_.socket_over();
}

void AppSocket::look_at(base::Instant moment) {
  if (moment < timer_.deadline()) timer_.set(moment);
}

void AppSocket::look() {
  if (end_ != End::kNone) return;
  const base::Instant now = loop_.now();
  send_pongs();
  if (close_by_ != base::kNever) return now < close_by_ ? look_at(close_by_) : over(End::kLost);
  if (options_.ping_interval == base::Duration::zero()) return;
  // Held back by us, or behind with reading: that has its own limits.
  if (!reads_ || client_is_behind()) {
    last_heard_ = now;
    pinged_at_ = base::kNever;
  }
  if (pinged_at_ != base::kNever && now - pinged_at_ >= options_.ping_timeout) {
    tell_worker(websocket::kConnectionLost, {});
    send_close(websocket::kInternalError, "no answer to a ping");
    return over(End::kLost);
  }
  if (pinged_at_ == base::kNever && now - last_heard_ >= options_.ping_interval) {
    std::string ping;
    websocket::append_control(ping, Opcode::kPing, {});
    write(ping);
    pinged_at_ = now;
  }
  look_at(pinged_at_ == base::kNever ? last_heard_ + options_.ping_interval : pinged_at_ + options_.ping_timeout);
}

}  // namespace cutwater::handler
