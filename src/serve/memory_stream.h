// For tests and fuzzing: a connection in memory. Whoever holds the MemoryPeer decides what has arrived, how
// much a write takes, when a wait ends and what fails. Nothing happens by itself.
#pragma once

#include <algorithm>
#include <cerrno>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "io/stream.h"

namespace cutwater::serve {

class MemoryStream;

class MemoryPeer {
 public:
  std::unique_ptr<io::Stream> connect();  // once; the peer outlives the stream
  bool connected() const { return stream_ != nullptr; }

  // Each returns whether somebody waited for it.
  bool wake_reader(io::WaitResult result = io::WaitResult::kReady);
  bool wake_writer(io::WaitResult result = io::WaitResult::kReady);
  void hang_up();

  std::string arriving;  // unread bytes
  bool ended = false;    // FIN comes behind them
  bool read_fails = false;
  std::string received;    // what the server wrote
  size_t room = SIZE_MAX;  // how much more its writes take
  bool write_fails = false;
  bool file_ends = false;  // send_file finds nothing
  bool shut_down = false;  // the server sent FIN
  bool reset = false;      // the connection is to end with a reset

 private:
  friend class MemoryStream;
  MemoryStream* stream_ = nullptr;
};

class MemoryStream final : public io::Stream {
 public:
  explicit MemoryStream(MemoryPeer& peer) : peer_(peer) { peer_.stream_ = this; }
  ~MemoryStream() override { peer_.stream_ = nullptr; }
  MemoryStream(const MemoryStream&) = delete;
  MemoryStream& operator=(const MemoryStream&) = delete;

  io::IoResult read(std::span<char> into) override {
    if (peer_.read_fails) return {io::IoStatus::kFailed, 0, ECONNRESET};
    const size_t count = peer_.arriving.copy(into.data(), into.size());
    peer_.arriving.erase(0, count);
    if (count > 0) return {io::IoStatus::kDone, count, 0};
    return {peer_.ended ? io::IoStatus::kEndOfStream : io::IoStatus::kWouldBlock, 0, 0};
  }
  io::IoResult write(std::span<const iovec> pieces) override {
    std::string all;
    for (const iovec& piece : pieces) all.append(static_cast<const char*>(piece.iov_base), piece.iov_len);
    return take(all);
  }
  io::IoResult send_file(int, uint64_t offset, size_t length) override {
    if (peer_.file_ends) return {io::IoStatus::kDone, 0, 0};
    std::string piece(std::min<size_t>(length, 100'000), '\0');  // the same however it is cut
    for (char& byte : piece) byte = static_cast<char>('a' + offset++ % 26);
    return take(piece);
  }
  void shutdown_write() override { peer_.shut_down = true; }
  void reset_on_close() override { peer_.reset = true; }
  void listen_for_hangup(io::HangupListener* listener) override { hangup_listener_ = listener; }

 private:
  friend class MemoryPeer;

  io::IoResult take(std::string_view bytes) {
    if (peer_.write_fails) return {io::IoStatus::kFailed, 0, EPIPE};
    const size_t count = std::min(bytes.size(), peer_.room);
    if (count == 0 && !bytes.empty()) return {io::IoStatus::kWouldBlock, 0, 0};
    peer_.received.append(bytes.substr(0, count));
    if (peer_.room != SIZE_MAX) peer_.room -= count;
    return {io::IoStatus::kDone, count, 0};
  }
  bool start_wait(io::ReadinessAwaiter& wait, bool for_reading, base::Instant) override {
    (for_reading ? reader_ : writer_) = &wait;
    return true;
  }
  void forget_wait(io::ReadinessAwaiter& wait, bool for_reading) override {
    io::ReadinessAwaiter*& slot = for_reading ? reader_ : writer_;
    if (slot == &wait) slot = nullptr;
  }
  bool wake(bool reader, io::WaitResult result) {
    io::ReadinessAwaiter*& slot = reader ? reader_ : writer_;
    if (!slot) return false;
    resume(slot, result);
    return true;
  }

  MemoryPeer& peer_;
  io::ReadinessAwaiter* reader_ = nullptr;
  io::ReadinessAwaiter* writer_ = nullptr;
  io::HangupListener* hangup_listener_ = nullptr;
};

inline std::unique_ptr<io::Stream> MemoryPeer::connect() {
  return std::make_unique<MemoryStream>(*this);
}
inline bool MemoryPeer::wake_reader(io::WaitResult result) {
  return stream_ && stream_->wake(true, result);
}
inline bool MemoryPeer::wake_writer(io::WaitResult result) {
  return stream_ && stream_->wake(false, result);
}
// As a socket tells it: only while nobody reads.
inline void MemoryPeer::hang_up() {
  if (!stream_ || stream_->reader_ || !stream_->hangup_listener_) return;
  std::exchange(stream_->hangup_listener_, nullptr)->on_hangup(io::Hangup::kGone);
}

}  // namespace cutwater::serve
