#include "handler/spooled_answer.h"

#include <algorithm>
#include <utility>

namespace cutwater::handler {

using message::WriteStatus;

namespace {

constexpr size_t kSpoolRead = 64 * 1024;

}  // namespace

struct SpooledAnswer::Idle {
  SpooledAnswer& answer;
  bool await_ready() const noexcept { return !answer.writing_; }
  void await_suspend(std::coroutine_handle<> waiter) noexcept { answer.waiter_ = waiter; }
  void await_resume() const noexcept {}
};

SpooledAnswer::SpooledAnswer(message::ResponseWriter& response, SpoolArea& area, io::Loop& loop)
    : response_(response), area_(area), wake_(loop.timers(), [this] { resume_waiter(); }) {}

void SpooledAnswer::begin_writing(base::Task<void> task) {
  writing_ = true;
  writer_.start(std::move(task));
}

void SpooledAnswer::end_writing() {
  writing_ = false;
  if (waiter_) wake_.set(base::Instant{0});
}

void SpooledAnswer::resume_waiter() {
  if (!writing_ && waiter_) std::exchange(waiter_, nullptr).resume();
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
      const auto length = static_cast<size_t>(std::min<uint64_t>(kSpoolRead, spooled_ - taken_));
      auto reading = reader_->read(taken_, length);
      piece = co_await reading;
      if (piece.empty()) {  // lost with its disk: the client must see that something is missing
        response_.abort();
        status_ = WriteStatus::kClientGone;
        break;
      }
      taken_ += piece.size();
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
  if (memory_.size() > kInMemory && !complete && !gone()) {
    auto spooling = spool();
    co_await spooling;
  }
  if (!writing_ && !gone()) begin_writing(write_kept());
  co_return status_;
}

// What the file had before was taken: its room is given back.
void SpooledAnswer::begin_file() {
  reader_.reset();
  file_ = std::make_unique<SpoolFile>(area_, area_.answers);
  spooled_ = taken_ = 0;
}

// Where it cannot go to the file it stays in memory until the client has taken what there is.
base::Task<void> SpooledAnswer::spool() {
  if (!in_file()) begin_file();
  if (!file_ends_ && spooled_ + memory_.size() <= kMostSpooled) {
    spooling_ = true;
    auto appending = file_->append(memory_);
    file_ends_ = co_await appending != SpoolStatus::kWritten;
    spooling_ = false;
    if (!file_ends_ && !reader_) {
      auto reader = file_->reopen_read_only();
      if (reader) reader_.emplace(area_.offload, std::move(*reader));
      file_ends_ = !reader_;
    }
    if (!file_ends_) spooled_ += std::exchange(memory_, std::string()).size();
  }
  if (memory_.empty()) co_return;
  if (!writing_) begin_writing(write_kept());
  Idle idle{*this};
  co_await idle;
}

base::Task<WriteStatus> SpooledAnswer::drained() {
  if (!writing_ && !gone() && (!keeps_nothing() || (complete_ && !said_complete_))) begin_writing(write_kept());
  Idle idle{*this};
  co_await idle;
  co_return status_;
}

}  // namespace cutwater::handler
