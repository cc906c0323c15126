#include "upstream/tunnel.h"

#include <string>
#include <utility>

namespace cutwater::upstream {

using message::BodyPiece;
using message::BodyStatus;
using message::WriteStatus;

class Tunnel::Over {
 public:
  explicit Over(Tunnel& tunnel) : tunnel_(tunnel) {}
  Over(const Over&) = delete;
  ~Over() { tunnel_.waiter_ = nullptr; }
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiter) noexcept { tunnel_.waiter_ = waiter; }
  void await_resume() const noexcept {}

 private:
  Tunnel& tunnel_;
};

Tunnel::Tunnel(io::Loop& loop, io::Stream& peer, message::BodySource& from_client, message::ResponseWriter& to_client,
               base::Duration silence)
    : loop_(loop),
      peer_(peer),
      from_client_(from_client),
      to_client_(to_client),
      silence_(silence),
      last_bytes_(loop.now()),
      timer_(loop.timers(), [this] { look(); }) {
  peer_.listen_for_hangup(this);
}

Tunnel::~Tunnel() {
  peer_.listen_for_hangup(nullptr);
}

base::Task<void> Tunnel::run() {
  last_bytes_ = loop_.now();
  timer_.set(over_ ? last_bytes_ : last_bytes_ + silence_);
  directions_.start(send_to_client());
  directions_.start(send_to_peer());
  Over over(*this);
  co_await over;
  directions_.cancel_all();
  if (broken_) {
    peer_.reset_on_close();
    co_return to_client_.abort();
  }
  auto finishing = to_client_.finish();
  co_await finishing;
}

void Tunnel::look() {
  const bool silent = loop_.now() >= last_bytes_ + silence_;
  if (!over_ && !silent) return timer_.set(last_bytes_ + silence_);
  if (waiter_) std::exchange(waiter_, nullptr).resume();
}

void Tunnel::end_direction(bool broke) {
  if (--running_ == 0 || broke) end_now(broke);
}

void Tunnel::end_now(bool broke) {
  broken_ = broken_ || broke;
  over_ = true;
  timer_.set(loop_.now());
}

void Tunnel::client_gone() {
  if (!reads_client_) end_now(true);
}

// Who still reads the peer finds out, behind what it sent before.
void Tunnel::on_hangup(io::Hangup kind) {
  if (kind == io::Hangup::kGone && peer_ended_) end_now(false);
}

base::Task<void> Tunnel::send_to_peer() {
  while (true) {
    auto reading = from_client_.read();
    reads_client_ = true;
    const BodyPiece piece = co_await reading;
    reads_client_ = false;
    if (piece.status == BodyStatus::kEnd) {
      peer_.shutdown_write();
      co_return end_direction(false);
    }
    if (piece.status != BodyStatus::kPiece) co_return end_direction(true);
    last_bytes_ = loop_.now();
    auto writing = write_to_peer(piece.bytes);
    // It takes no more; what it sent before is still to be read.
    if (!co_await writing) co_return end_direction(false);
  }
}

base::Task<bool> Tunnel::write_to_peer(std::string_view bytes) {
  const iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
  io::IoResult result = peer_.write(std::span(&piece, 1));
  if (result.status == io::IoStatus::kFailed) co_return false;
  const std::string kept(bytes.substr(result.count));
  size_t sent = 0;
  while (sent < kept.size()) {
    co_await peer_.writable(base::kNever);
    const iovec rest{const_cast<char*>(kept.data()) + sent, kept.size() - sent};
    result = peer_.write(std::span(&rest, 1));
    if (result.status == io::IoStatus::kFailed) co_return false;
    sent += result.count;
    last_bytes_ = loop_.now();
  }
  co_return true;
}

base::Task<void> Tunnel::send_to_client() {
  while (true) {
    co_await peer_.readable(base::kNever);
    const std::span<char> buffer = io::shared_read_buffer();
    const io::IoResult result = peer_.read(buffer);
    if (result.status == io::IoStatus::kWouldBlock) continue;
    if (result.status == io::IoStatus::kFailed) co_return end_direction(true);
    last_bytes_ = loop_.now();
    peer_ended_ = result.status == io::IoStatus::kEndOfStream;
    auto writing = result.status == io::IoStatus::kDone
                       ? to_client_.body(std::string_view(buffer.data(), result.count), false)
                       : to_client_.finish();
    const WriteStatus written = co_await writing;
    if (written != WriteStatus::kWritten) co_return end_direction(true);
    if (peer_ended_) co_return end_direction(false);
  }
}

}  // namespace cutwater::upstream
