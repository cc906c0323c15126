// SharedRequest: one request on a SharedConnection, as a stream of its own. Both sides speak of it by the id that a
// request has that is alone on its connection; on the wire it has another. Dropped before the peer ended it, it is
// aborted.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "codec/fastcgi/record.h"
#include "io/stream.h"
#include "io/timer.h"
#include "upstream/shared_connection.h"

namespace cutwater::upstream {

class SharedRequest final : public io::Stream {
 public:
  static constexpr size_t kMostUnread = 256 * 1024;
  static constexpr size_t kMostUnsent = 128 * 1024;  // the longest record fits

  // SharedConnection::add() makes them. `used_before`: the peer has answered another request on it.
  SharedRequest(io::Loop& loop, std::shared_ptr<SharedConnection> connection, uint16_t request_id, bool used_before);
  ~SharedRequest() override;
  SharedRequest(const SharedRequest&) = delete;
  SharedRequest& operator=(const SharedRequest&) = delete;

  bool used_before() const { return used_before_; }
  base::Instant connection_shared_since() const { return connection_->shared_since(); }
  // The answer is there but for its end, which nobody waits for: no reason to abort it. What still comes is dropped.
  void let_end();
  // The connection ended under it.
  bool broke() const { return attached_ && connection_->ended_; }
  // Why; "": the peer closed it.
  const char* reason() const { return connection_->reason_; }
  // With broke(): others ran on it as well, so that any of them may be the cause.
  bool had_company() const { return connection_->had_company_; }
  // Nothing has come on the connection since it began, for whomever: no use to wait there. Takes no more, then.
  bool fell_silent() {
    if (!attached_ || !connection_->fell_silent(request_id_)) return false;
    connection_->retire();
    return true;
  }
  // Whether this is the first of the requests on it to say that it broke: that is one failure of the peer.
  bool take_blame() { return !std::exchange(connection_->blamed_, true); }
  // Its caller took nothing for long and held up others: nothing that the peer did.
  bool was_cut_off() const { return cut_off_; }

  io::IoResult read(std::span<char> into) override;
  io::IoResult write(std::span<const iovec> pieces) override;
  io::IoResult send_file(int file, uint64_t offset, size_t length) override;
  void shutdown_write() override {}  // a request ends with its records
  void shut_down() override;
  bool has_unread() const override;
  void listen_for_hangup(io::HangupListener*) override {}  // the connection is read all the time

 private:
  friend class SharedConnection;

  // Of the connection.
  void take(codec::fastcgi::RecordType type, std::string_view piece);
  void take_end(const codec::fastcgi::EndRequest& end);
  bool give_record(std::string& to, uint16_t request_id);
  void cut_off();
  bool is_full() const { return unread() >= kMostUnread; }
  bool waits_for_room() const { return writer_ != nullptr; }
  void wake(bool for_reading);

  size_t unread() const { return inbox_.size() - taken_; }
  bool is_readable() const { return unread() > 0 || !attached_ || connection_->ended_; }
  bool is_writable() const { return !takes_more() || outbox_.size() < kMostUnsent; }
  bool takes_more() const { return attached_ && !connection_->takes_no_more_; }
  void detach(bool wants_abort);
  bool start_wait(io::ReadinessAwaiter& wait, bool for_reading, base::Instant deadline) override;
  void forget_wait(io::ReadinessAwaiter& wait, bool for_reading) override;
  base::Instant end_of(const io::ReadinessAwaiter& wait, base::Instant began) const;
  void arm();
  void on_deadline();

  io::Loop& loop_;
  const std::shared_ptr<SharedConnection> connection_;
  const uint16_t request_id_;
  const bool used_before_;
  bool attached_ = true;  // the connection has it among those that run
  bool shut_ = false;
  bool cut_off_ = false;
  std::string inbox_;  // records
  size_t taken_ = 0;   // of inbox_
  std::string outbox_;
  io::ReadinessAwaiter* reader_ = nullptr;
  io::ReadinessAwaiter* writer_ = nullptr;
  base::Instant reader_began_{};
  base::Instant writer_began_{};
  bool* destroyed_ = nullptr;  // set by the destructor while somebody is being resumed
  io::Timer deadline_;
};

}  // namespace cutwater::upstream
