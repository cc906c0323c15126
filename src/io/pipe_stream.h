// PipeStream: the Stream of a pipe's reading end. Epoll knows it only while somebody waits: a writer that goes on must
// not wake the loop for nobody. There is nothing to write.
#pragma once

#include <cerrno>

#include "base/file_descriptor.h"
#include "io/stream.h"
#include "io/timer.h"

namespace cutwater::io {

class PipeStream final : public Stream, private Watcher {
 public:
  // `pipe` is non-blocking, and the only descriptor of that end here. `loop` outlives this.
  PipeStream(Loop& loop, base::FileDescriptor pipe);
  ~PipeStream() override;
  PipeStream(const PipeStream&) = delete;
  PipeStream& operator=(const PipeStream&) = delete;

  IoResult read(std::span<char> into) override;
  IoResult write(std::span<const iovec>) override { return {IoStatus::kFailed, 0, EBADF}; }
  IoResult send_file(int, uint64_t, size_t) override { return {IoStatus::kFailed, 0, EBADF}; }
  void shutdown_write() override {}
  // It ends here, whatever the writers do: who waits goes on, not from within this call.
  void shut_down() override;
  int descriptor() const override { return pipe_.get(); }
  void listen_for_hangup(HangupListener*) override {}

 private:
  bool start_wait(ReadinessAwaiter& wait, bool for_reading, base::Instant deadline) override;
  void forget_wait(ReadinessAwaiter& wait, bool for_reading) override;
  void on_events(uint32_t events) override;
  void on_deadline();
  void watch(uint32_t events);

  Loop& loop_;
  base::FileDescriptor pipe_;
  ReadinessAwaiter* reader_ = nullptr;
  uint32_t interest_ = 0;
  bool registered_ = false;
  bool ended_ = false;  // no writer was left: reading does not block
  bool cut_ = false;
  Timer deadline_;
};

}  // namespace cutwater::io
