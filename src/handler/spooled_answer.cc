#include "handler/spooled_answer.h"

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace cutwater::handler {

using message::WriteStatus;

namespace {

constexpr size_t kSpoolRead = 64 * 1024;

}  // namespace

struct SpooledAnswer::Wait {
  SpooledAnswer& answer;
  uint64_t taken = UINT64_MAX;
  bool await_ready() const noexcept { return !answer.writing_; }
  void await_suspend(std::coroutine_handle<> waiter) noexcept {
    answer.waiter_ = waiter;
    answer.awaited_ = taken;
  }
  void await_resume() const noexcept {}
};

bool may_be_spooled(const message::Response& response) {
  return !base::equals_ignoring_case(response.headers.get("X-Accel-Buffering").value_or(""), "no");
}

SpooledAnswer::SpooledAnswer(message::ResponseWriter& response, SpoolArea& area, io::Loop& loop,
                             const SpooledAnswerLimits& limits)
    : response_(response), area_(area), limits_(limits), wake_(loop.timers(), [this] { resume_waiter(); }) {}

void SpooledAnswer::begin_writing(base::Task<void> task) {
  writing_ = true;
  writer_.start(std::move(task));
}

void SpooledAnswer::end_writing() {
  writing_ = false;
  if (waiter_) wake_.set(base::Instant{0});
}

void SpooledAnswer::resume_waiter() {
  if (waiter_ && (!writing_ || awaited_ == 0)) std::exchange(waiter_, nullptr).resume();
}

// What the file had is the client's: its room is given back, and nobody holds an empty one.
void SpooledAnswer::took_of_file(uint64_t bytes) {
  if (!in_file() && !spooling_) file_.reset();
  awaited_ -= std::min(awaited_, bytes);
  if (waiter_ && awaited_ == 0) wake_.set(base::Instant{0});
}

base::Task<void> SpooledAnswer::write_now(const message::Response* head, std::string_view piece, bool last) {
  said_complete_ = last;
  auto writing = head ? response_.head(*head, piece, last) : response_.body(piece, last);
  status_ = co_await writing;
  auto going_on = write_kept();
  co_await going_on;
}

base::Task<void> SpooledAnswer::write_kept() {
  while (!gone()) {
    std::string piece;
    if (in_file()) {
      auto taking = file_->take(kSpoolRead);
      piece = co_await taking;
      if (piece.empty()) {  // lost with its disk: the client must see that something is missing
        response_.abort();
        status_ = WriteStatus::kClientGone;
        break;
      }
      took_of_file(piece.size());
    } else if (!spooling_) {
      piece = std::exchange(memory_, std::string());
    }
    const bool last = complete_ && keeps_nothing() && !said_complete_;
    if (piece.empty() && !last) break;
    said_complete_ = said_complete_ || last;
    auto writing = response_.body(piece, last);
    status_ = co_await writing;
  }
  end_writing();
}

base::Task<WriteStatus> SpooledAnswer::write(const message::Response* head, std::string_view piece, bool complete) {
  complete_ = complete;
  if (!writing_ && keeps_nothing()) {
    if (!gone()) begin_writing(write_now(head, piece, complete));
    co_return status_;
  }
  memory_.append(piece);
  if (memory_.size() > limits_.in_memory && !complete && !gone()) {
    auto spooling = spool();
    co_await spooling;
  }
  if (!writing_ && !gone()) begin_writing(write_kept());
  co_return status_;
}

// Where it cannot go to the file it stays in memory until the client has made room.
base::Task<void> SpooledAnswer::spool() {
  while (!memory_.empty() && !gone()) {
    auto appending = append_to_file();
    if (co_await appending) co_return;
    if (!writing_) begin_writing(write_kept());
    Wait some{*this, limits_.resume};
    co_await some;
  }
}

base::Task<bool> SpooledAnswer::append_to_file() {
  if (!file_) file_ = std::make_unique<SpoolRing>(area_, area_.answers, limits_.in_file);
  if (file_->room() < memory_.size()) co_return false;
  spooling_ = true;
  auto appending = file_->append(memory_);
  const SpoolStatus appended = co_await appending;
  spooling_ = false;
  if (appended == SpoolStatus::kWritten) memory_.clear();
  co_return appended == SpoolStatus::kWritten;
}

base::Task<WriteStatus> SpooledAnswer::drained() {
  if (!writing_ && !gone() && (!keeps_nothing() || (complete_ && !said_complete_))) begin_writing(write_kept());
  Wait all{*this};
  co_await all;
  co_return status_;
}

}  // namespace cutwater::handler
