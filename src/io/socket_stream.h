// SocketStream: the Stream of a plain socket, one epoll registration for its whole life: edge-triggered, since the
// kernel looks at a level-triggered descriptor once more after each event. To whoever waits it is as if it were
// level-triggered: a read that fills its buffer leaves more to be read, maybe, and the next wait asks epoll anew.
#pragma once

#include <sys/socket.h>

#include "io/read_ahead.h"
#include "io/stream.h"
#include "io/timer.h"

namespace cutwater::io {

class SocketStream final : public Stream, private Watcher, private BeforeWait {
 public:
  SocketStream(Loop& loop, base::FileDescriptor socket, Opened opened, Carrier carrier = Carrier::kTcp);
  ~SocketStream() override;
  SocketStream(const SocketStream&) = delete;
  SocketStream& operator=(const SocketStream&) = delete;

  IoResult read(std::span<char> into) override;
  IoResult write(std::span<const iovec> pieces) override;
  IoResult send_file(int file, uint64_t offset, size_t length) override;
  void end_follows() override;
  void shutdown_write() override;
  void close() override;
  void shut_down() override;
  bool was_silent() const override;
  bool has_unread() const override;
  bool readable_now() const override;
  void read_with_others() override { with_others_ = true; }
  size_t unacknowledged() const override;
  void reset_on_close() override;
  int descriptor() const override { return socket_.get(); }
  void listen_for_hangup(HangupListener* listener) override;

 private:
  // What epoll knows of this socket.
  enum class Registration : uint8_t {
    kNone,      // not yet
    kDeferred,  // when the loop waits, or a little later; a connection of one request is often over by then
    kActive,
    kGone,  // taken out: the connection is dead, or epoll refused; every wait is over at once
  };

  bool start_wait(ReadinessAwaiter& wait, bool for_reading, base::Instant deadline) override;
  void forget_wait(ReadinessAwaiter& wait, bool for_reading) override;
  void on_events(uint32_t events) override;
  void read_ahead(uint32_t events, std::span<char> room) override;
  void before_wait() override;
  bool urgent() const override { return reader_ != nullptr || writer_ != nullptr; }
  IoResult receive(std::span<char> into);
  IoResult take_ahead(std::span<char> into);
  void on_deadline();
  void nobody_reads(uint32_t events);
  void ask_for_end();
  void set_interest(uint32_t events);
  void leave_epoll();
  void let_last_go();

  Loop& loop_;
  base::FileDescriptor socket_;
  const Opened opened_;
  const Carrier carrier_;
  int send_flags_ = MSG_NOSIGNAL;
  bool holds_last_ = false;  // the kernel waits for the end before it sends the last bytes
  bool with_others_ = false;
  bool reads_much_ = false;  // what comes is longer than there is room for ahead
  uint32_t interest_ = 0;
  Registration registration_ = Registration::kNone;
  bool read_ended_ = false;     // FIN or reset was seen: reading never blocks again
  bool may_have_more_ = false;  // epoll told of input, and no read has come to its end since
  bool urgent_came_ = false;    // reads end before such bytes, whatever lies behind them
  ReadinessAwaiter* reader_ = nullptr;
  ReadinessAwaiter* writer_ = nullptr;
  HangupListener* hangup_listener_ = nullptr;
  bool hangup_told_ = false;   // that the peer's sending ended
  bool* destroyed_ = nullptr;  // set by the destructor while somebody is being resumed
  ReadAhead ahead_;
  Timer deadline_;  // not after the earliest deadline of the two waits
};

}  // namespace cutwater::io
