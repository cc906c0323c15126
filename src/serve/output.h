// What a response still owes its client. Bytes go to the kernel at once, or short ones together with those of others at
// the end of the turn; what it does not take is kept here and flushed in the background while the handler goes on,
// within the output_buffer that the writer enforces.
#pragma once

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/task.h"
#include "io/late_writes.h"
#include "io/loop.h"
#include "io/stream.h"
#include "serve/http_server.h"

namespace cutwater::serve {

// A client must take bytes at limits.body_min_rate on average over each send_timeout in which the kernel's
// buffer was full: that ends also those that read one byte a second (faults.md 71). Counts what the peer's
// kernel acknowledged, since a socket buffer of megabytes says nothing about the client for minutes. One for a
// connection: whoever asks for thousands of small answers and reads none of them must not begin anew with each.
class SendPace {
 public:
  SendPace(io::Stream& stream, const ServeOptions& options) : stream_(stream), options_(options) {}
  void sent(size_t count) { handed_over_ += count; }
  // Until the kernel takes more, or false: the client is too slow.
  base::Task<bool> wait_writable(io::Loop& loop);
  void rest() { resting_ = true; }  // nothing waits any more

 private:
  // When to judge next; starts a window if none runs.
  base::Instant deadline(base::Instant now);
  // At the deadline: whether the client may have another window.
  bool renew(base::Instant now);
  int64_t acknowledged() const {
    return static_cast<int64_t>(handed_over_) - static_cast<int64_t>(stream_.unacknowledged());
  }

  io::Stream& stream_;
  const ServeOptions& options_;
  uint64_t handed_over_ = 0;
  bool running_ = false;
  bool resting_ = false;
  base::Instant window_began_{0};
  int64_t acknowledged_before_ = 0;
};

class Output final : private io::LateWrite {
 public:
  enum class Timing { kAtOnce, kWithOthers };
  // `memory` is borrowed for the kept bytes; it and the others outlive the output.
  Output(io::Loop& loop, io::Stream& stream, SendPace& pace, std::string& memory, Timing timing = Timing::kAtOnce);
  ~Output() override;
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  // Room for a head: append to it, then call send(), which sends it before the pieces.
  std::string& staged() { return pending_; }
  // Up to three pieces in one system call, sent or copied when it returns; pending() says what was not sent.
  void send(std::string_view first = {}, std::string_view second = {}, std::string_view third = {});
  // co_await turn_over(): until what waits for the end of the turn was handed to the kernel, which may have taken it.
  class TurnOver;
  TurnOver turn_over();
  // What waits for the end of the turn goes at once.
  void write_now();
  bool waits_for_turn() const { return io::LateWrites::has(*this); }
  // For one awaiter at a time; others may send meanwhile. False: the client is gone or too slow.
  base::Task<bool> wait_until_below(size_t limit);
  // File bytes behind everything else. kEndedEarly: the file was shorter, or could not be read.
  enum class FileOutcome { kSent, kClientGone, kEndedEarly };
  struct FileResult {
    FileOutcome outcome;
    uint64_t sent;
  };
  base::Task<FileResult> send_file(int descriptor, uint64_t offset, uint64_t length);

  // Before the last send(): the end of the connection will not wait for anything but what is pending.
  void end_follows() { stream_.end_follows(); }
  // FIN, when nothing is pending; reading goes on.
  void shutdown() { stream_.shutdown_write(); }

  size_t pending() const { return pending_.size() - sent_; }
  bool failed() const { return failed_; }

 private:
  void write_late() override;
  void written_late() override;
  void write_pending();
  void write_with(std::string_view first, std::string_view second, std::string_view third);
  void take_off(size_t count);
  void fail();
  void flush_in_background();
  void stop_background() {
    if (background_.size() > 0) background_.cancel_all();
  }
  base::Task<void> flush();
  base::Task<bool> wait_writable();

  io::Loop& loop_;
  io::Stream& stream_;
  std::string& pending_;
  const Timing timing_;
  TurnOver* turn_waiter_ = nullptr;
  size_t sent_ = 0;       // of pending_
  bool blocked_ = false;  // the kernel takes no more now
  bool failed_ = false;
  bool awaited_ = false;  // somebody waits for the kernel: the background need not
  SendPace& pace_;
  base::TaskSet background_;
};

class [[nodiscard]] Output::TurnOver {
 public:
  explicit TurnOver(Output& output) : output_(output) {}
  TurnOver(const TurnOver&) = delete;
  ~TurnOver() {
    if (output_.turn_waiter_ == this) output_.turn_waiter_ = nullptr;
  }
  bool await_ready() const noexcept { return !output_.waits_for_turn(); }
  void await_suspend(std::coroutine_handle<> waiter) {
    waiter_ = waiter;
    output_.turn_waiter_ = this;
  }
  void await_resume() const noexcept {}

 private:
  friend class Output;
  Output& output_;
  std::coroutine_handle<> waiter_;
};

inline Output::TurnOver Output::turn_over() {
  return TurnOver(*this);
}

}  // namespace cutwater::serve
