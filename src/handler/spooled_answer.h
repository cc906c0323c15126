// SpooledAnswer: an answer on its way to a client that may be slower than the server it comes from. What the client
// does not take yet is kept, in memory and then in a spool file, so that the server is free once it has said all.
#pragma once

#include <coroutine>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/task.h"
#include "handler/spool.h"
#include "io/loop.h"
#include "io/timer.h"
#include "message/exchange.h"

namespace cutwater::handler {

class SpooledAnswer {
 public:
  static constexpr size_t kInMemory = 64 * 1024;
  static constexpr uint64_t kMostSpooled = uint64_t{256} << 20;  // of one answer; then the client holds the server back

  // All outlive the answer. The file counts against `area.answers`.
  SpooledAnswer(message::ResponseWriter& response, SpoolArea& area, io::Loop& loop);
  SpooledAnswer(const SpooledAnswer&) = delete;
  SpooledAnswer& operator=(const SpooledAnswer&) = delete;

  // `head` with the first piece, nullptr with the others. Waits for the client only where nothing more can be kept.
  // `complete`: nothing follows.
  base::Task<message::WriteStatus> write(const message::Response* head, std::string_view piece, bool complete);
  // Until the client has taken all that there is.
  base::Task<message::WriteStatus> drained();

 private:
  struct Idle;  // co_await: until nobody writes

  base::Task<void> write_now(const message::Response* head, std::string_view piece, bool last);
  base::Task<void> write_kept();
  base::Task<void> spool();
  void begin_file();
  bool in_file() const { return taken_ < spooled_; }
  bool keeps_nothing() const { return memory_.empty() && !in_file(); }
  bool gone() const { return status_ == message::WriteStatus::kClientGone; }
  void begin_writing(base::Task<void> task);
  void end_writing();
  void resume_waiter();

  message::ResponseWriter& response_;
  SpoolArea& area_;
  message::WriteStatus status_ = message::WriteStatus::kWritten;
  std::string memory_;  // what is not in the file
  std::unique_ptr<SpoolFile> file_;
  std::optional<SpoolReader> reader_;
  uint64_t spooled_ = 0;    // what the file has
  uint64_t taken_ = 0;      // and what the writer had of it
  bool spooling_ = false;   // memory_ is on its way to the file
  bool file_ends_ = false;  // it takes no more
  bool complete_ = false;
  bool said_complete_ = false;  // to the client
  bool writing_ = false;
  std::coroutine_handle<> waiter_;
  io::Timer wake_;        // the task below never resumes a waiter itself: that may end it
  base::TaskSet writer_;  // first to end
};

}  // namespace cutwater::handler
