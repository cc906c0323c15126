#include "serve/body_overflow.h"

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace cutwater::serve {

namespace {

constexpr size_t kWrite = 64 * 1024;  // worth a hand-over to a thread
constexpr size_t kRead = 64 * 1024;

}  // namespace

void BodyOverflow::add(std::string_view piece) {
  if (dropped_) return;
  tail_ += piece;
  if (!refused_ && tail_.size() >= kWrite && writer_.size() == 0) writer_.start(write());
}

base::Task<void> BodyOverflow::write() {
  while (!refused_ && tail_.size() >= kWrite) {
    writing_ = std::exchange(tail_, std::string());
    if (!file_) file_ = spool_.open();
    auto appending = file_->append(writing_);
    const bool stored = co_await appending;
    if (stored) {
      stored_ += writing_.size();
    } else {
      refused_ = true;
      tail_.insert(0, writing_);
    }
    writing_.clear();
    if (dropped_) co_return drop();
    on_written_();
  }
}

base::Task<std::string> BodyOverflow::take() {
  if (stored_ == read_) co_return std::exchange(tail_, std::string());
  auto reading = file_->read(read_, static_cast<size_t>(std::min<uint64_t>(kRead, stored_ - read_)));
  std::string bytes = co_await reading;
  read_ += bytes.size();
  // What was read to the end makes room for others.
  if (read_ == stored_ && writing_.empty()) {
    file_.reset();
    stored_ = read_ = 0;
  }
  co_return bytes;
}

void BodyOverflow::drop() {
  dropped_ = true;
  base::release(tail_);
}

}  // namespace cutwater::serve
