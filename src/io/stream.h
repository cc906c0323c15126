// Stream: a byte connection. Calls never block: wait for readiness first, then read into the thread's shared
// buffer. Plain sockets now; TLS will be a Stream on a Stream.
#pragma once

#include <sys/uio.h>
#include <algorithm>

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "base/clock.h"
#include "base/file_descriptor.h"
#include "io/loop.h"
#include "io/stream_result.h"

namespace cutwater::io {

enum class WaitResult { kReady, kTimedOut };

class Stream;

// co_await stream.readable(deadline): resumes when a read would not block (data, FIN or error) or at the deadline,
// which a stream may put off while it is not the peer that is silent; at `limit` in any case.
class [[nodiscard]] ReadinessAwaiter {
 public:
  ReadinessAwaiter(Stream& stream, bool for_reading, base::Instant deadline, base::Instant limit = base::kNever)
      : stream_(stream), for_reading_(for_reading), deadline_(std::min(deadline, limit)), limit_(limit) {}
  ReadinessAwaiter(const ReadinessAwaiter&) = delete;
  ~ReadinessAwaiter();  // a destroyed wait is forgotten by its stream
  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> waiter);
  WaitResult await_resume() const noexcept { return result_; }
  base::Instant deadline() const { return deadline_; }
  base::Instant limit() const { return limit_; }

 private:
  friend class Stream;
  Stream& stream_;
  bool for_reading_;
  base::Instant deadline_;
  base::Instant limit_;
  WaitResult result_ = WaitResult::kReady;
  std::coroutine_handle<> waiter_;
};

enum class Hangup {
  kSendingEnded,  // FIN: the peer may have gone, or only have closed its sending half; writing may still work
  kGone,          // reset, or closed for good: nothing reaches it any more
};

// Told when the peer's side ends while nobody reads: a client that leaves while it is served. Once for each kind, the
// graver one last. Called from within the loop's event dispatch; may destroy the stream.
class HangupListener {
 public:
  virtual ~HangupListener() = default;
  virtual void on_hangup(Hangup kind) = 0;
};

class Stream {
 public:
  virtual ~Stream() = default;

  virtual IoResult read(std::span<char> into) = 0;
  virtual IoResult write(std::span<const iovec> pieces) = 0;
  // Up to `length` bytes of `file` from `offset`. kDone with count 0 means the file ended early. The process
  // must ignore SIGPIPE: sendfile(2) has no flag against it.
  virtual IoResult send_file(int file, uint64_t offset, size_t length) = 0;
  // A hint before the last write: the end of the stream comes right behind it, and both may go in one packet.
  virtual void end_follows() {}
  // FIN towards the peer; reading goes on (lingering close, RFC 9112 section 9.6).
  virtual void shutdown_write() = 0;
  // Both ways, at once, whoever else still has the stream: waits are over, reads and writes fail.
  virtual void close() { shut_down(); }
  // Ends both directions: whoever waits is woken, what was received can still be read.
  virtual void shut_down() {}
  // For who has waited since an earlier turn for it to be readable: whether nothing had come when this turn began, as
  // far as is known without asking the kernel.
  virtual bool was_silent() const { return false; }
  // Whether something came that was not read.
  virtual bool has_unread() const { return false; }
  // Whether a read would not block: something came, or the end. Asks the kernel.
  virtual bool readable_now() const { return false; }
  // From now on the loop may read for many streams before it serves the first.
  virtual void read_with_others() {}

  // Bytes written that the peer's kernel has not acknowledged: tells a slow reader from one that stopped.
  virtual size_t unacknowledged() const { return 0; }
  // Destroying the stream now resets the connection: the peer sees an error, never a clean end.
  virtual void reset_on_close() {}
  // The descriptor underneath, or -1.
  virtual int descriptor() const { return -1; }

  // Both resume their coroutine from within the loop's dispatch, which may then destroy the stream.
  ReadinessAwaiter readable(base::Instant deadline, base::Instant limit = base::kNever) {
    return {*this, true, deadline, limit};
  }
  ReadinessAwaiter writable(base::Instant deadline) { return {*this, false, deadline}; }

  // At most one listener; nullptr ends it. It must outlive its registration.
  virtual void listen_for_hangup(HangupListener* listener) = 0;

 protected:
  friend class ReadinessAwaiter;
  virtual bool start_wait(ReadinessAwaiter& wait, bool for_reading, base::Instant deadline) = 0;
  virtual void forget_wait(ReadinessAwaiter& wait, bool for_reading) = 0;
  // Empties `slot`, then goes on with the coroutine that waited in it, which may destroy the stream.
  static void resume(ReadinessAwaiter*& slot, WaitResult result);
};

enum class Opened {
  kByPeer,  // what it connected for has mostly come with it: the first wait for reading is over at once
  kByUs,    // who answers needs its time
};

enum class Carrier : uint8_t {
  kTcp,
  kTcpOfNeighbour,  // a process on this machine (patience.h)
  kUnix             // always one
};

// Takes a connected non-blocking socket, the only descriptor of it. Registers with epoll once, when the loop waits
// next, for input; for output only while a write waits.
std::unique_ptr<Stream> make_socket_stream(Loop& loop, base::FileDescriptor socket, Opened opened = Opened::kByPeer,
                                           Carrier carrier = Carrier::kTcp);

// The thread's receive buffer (64 KiB). What lies in it dies at the next co_await: copy what must live.
std::span<char> shared_read_buffer();

}  // namespace cutwater::io
