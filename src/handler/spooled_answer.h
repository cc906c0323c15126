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
#include "handler/spool_ring.h"
#include "io/loop.h"
#include "io/timer.h"
#include "message/exchange.h"

namespace cutwater::handler {

// Of one answer, in bytes.
struct SpooledAnswerLimits {
  size_t in_memory = 64 * 1024;
  uint64_t in_file = uint64_t{256} << 20;  // then the client holds the server back; a multiple of SpoolRing::kBlock
  uint64_t resume = 256 * 1024;            // what it must take until the server is read again
};

// The field is nginx's: an application that sends events as they happen says that nothing may be held back.
bool may_be_spooled(const message::Response& response);

class SpooledAnswer {
 public:
  // All outlive the answer. The file counts against `area.answers`.
  SpooledAnswer(message::ResponseWriter& response, SpoolArea& area, io::Loop& loop,
                const SpooledAnswerLimits& limits = {});
  SpooledAnswer(const SpooledAnswer&) = delete;
  SpooledAnswer& operator=(const SpooledAnswer&) = delete;

  // `head` with the first piece, nullptr with the others. Waits for the client only while there is no room for more.
  // `complete`: nothing follows.
  base::Task<message::WriteStatus> write(const message::Response* head, std::string_view piece, bool complete);
  // Until the client has taken all that there is.
  base::Task<message::WriteStatus> drained();

 private:
  struct Wait;  // co_await: until so much more was taken, or nobody writes

  base::Task<void> write_now(const message::Response* head, std::string_view piece, bool last);
  base::Task<void> write_kept();
  base::Task<void> spool();
  base::Task<bool> append_to_file();
  void took_of_file(uint64_t bytes);
  bool in_file() const { return file_ && file_->kept() > 0; }
  bool keeps_nothing() const { return memory_.empty() && !in_file(); }
  bool gone() const { return status_ == message::WriteStatus::kClientGone; }
  void begin_writing(base::Task<void> task);
  void end_writing();
  void resume_waiter();

  message::ResponseWriter& response_;
  SpoolArea& area_;
  const SpooledAnswerLimits limits_;
  message::WriteStatus status_ = message::WriteStatus::kWritten;
  std::string memory_;               // what is not in the file
  std::unique_ptr<SpoolRing> file_;  // while it holds something
  bool spooling_ = false;            // memory_ is on its way to the file
  bool complete_ = false;
  bool said_complete_ = false;  // to the client
  bool writing_ = false;
  std::coroutine_handle<> waiter_;
  uint64_t awaited_ = 0;  // what is to be taken of the file until the waiter goes on
  io::Timer wake_;        // the task below never resumes a waiter itself: that may end it
  base::TaskSet writer_;  // first to end
};

}  // namespace cutwater::handler
