#include "serve/output.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace cutwater::serve {

namespace {

constexpr size_t kCheaperToCopy = 4096;              // than to hand over as pieces of their own
constexpr uint64_t kFileBytesPerTurn = 1024 * 1024;  // a fast reader must not hold the loop
constexpr size_t kSentFileAtOnce = 512 * 1024;

// An error of sendfile that came from the socket, not from the file.
bool is_the_clients(int error) {
  return error == EPIPE || error == ECONNRESET || error == ETIMEDOUT;
}

iovec piece_of(std::string_view bytes) {
  return {const_cast<char*>(bytes.data()), bytes.size()};
}

// Also when the wait is cancelled it is over.
class Awaited {
 public:
  explicit Awaited(bool& flag) : flag_(flag) { flag_ = true; }
  ~Awaited() { flag_ = false; }
  Awaited(const Awaited&) = delete;
  Awaited& operator=(const Awaited&) = delete;

 private:
  bool& flag_;
};

}  // namespace

base::Instant SendPace::deadline(base::Instant now) {
  const bool took_some = std::exchange(resting_, false) && acknowledged() > acknowledged_before_;
  if (!running_ || took_some) {
    running_ = true;
    window_began_ = now;
    acknowledged_before_ = acknowledged();
  }
  return window_began_ + options_.send_timeout;
}

bool SendPace::renew(base::Instant now) {
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(options_.send_timeout).count();
  const auto wanted = static_cast<int64_t>(options_.body_min_rate) * milliseconds / 1000;
  const int64_t acknowledged_now = acknowledged();
  if (acknowledged_now - acknowledged_before_ < std::max<int64_t>(wanted, 1)) return false;
  window_began_ = now;
  acknowledged_before_ = acknowledged_now;
  return true;
}

base::Task<bool> SendPace::wait_writable(io::Loop& loop) {
  while (true) {
    const base::Instant until = deadline(loop.now());
    if (co_await stream_.writable(until) == io::WaitResult::kReady) co_return true;
    if (!renew(loop.now())) co_return false;
  }
}

Output::Output(io::Loop& loop, io::Stream& stream, SendPace& pace, std::string& memory, Timing timing)
    : loop_(loop), stream_(stream), pending_(memory), timing_(timing), pace_(pace) {
  pending_.clear();
}

// Whoever ends it before the turn does has been told that the kernel has what was written.
Output::~Output() {
  write_now();
}

void Output::write_now() {
  if (!waits_for_turn()) return;
  loop_.late_writes().take_back(*this);
  if (!failed_ && !blocked_) write_pending();
}

void Output::send(std::string_view first, std::string_view second, std::string_view third) {
  if (failed_) return;
  const bool copies = blocked_ || first.size() + second.size() + third.size() <= kCheaperToCopy;
  if (copies) {
    pending_ += first;
    if (!second.empty() || !third.empty()) pending_.append(second).append(third);
  }
  if (blocked_) return flush_in_background();
  if (copies && timing_ == Timing::kWithOthers && pending() <= kCheaperToCopy) {
    loop_.late_writes().add(*this);
  } else if (copies) {
    write_pending();
  } else {
    write_with(first, second, third);
  }
  if (blocked_) flush_in_background();
}

void Output::write_late() {
  if (failed_ || blocked_) return;
  write_pending();
  flush_in_background();
}

void Output::written_late() {
  if (TurnOver* const waiter = std::exchange(turn_waiter_, nullptr)) waiter->waiter_.resume();
}

void Output::write_pending() {
  const std::string_view kept = std::string_view(pending_).substr(sent_);
  if (kept.empty()) return;
  const iovec piece = piece_of(kept);
  const io::IoResult result = stream_.write({&piece, 1});
  if (result.status == io::IoStatus::kFailed) return fail();
  pace_.sent(result.count);
  blocked_ = result.count < kept.size();
  take_off(result.count);
  if (!blocked_) pace_.rest();
}

void Output::write_with(std::string_view first, std::string_view second, std::string_view third) {
  const std::string_view kept = std::string_view(pending_).substr(sent_);
  std::array<iovec, 4> pieces;
  size_t filled = 0;
  size_t total = 0;
  for (std::string_view bytes : {kept, first, second, third}) {
    if (bytes.empty()) continue;
    pieces[filled++] = piece_of(bytes);
    total += bytes.size();
  }
  const io::IoResult result = stream_.write(std::span<const iovec>(pieces).first(filled));
  if (result.status == io::IoStatus::kFailed) return fail();
  pace_.sent(result.count);
  blocked_ = result.count < total;
  size_t written = result.count;
  const size_t of_kept = std::min(written, kept.size());
  take_off(of_kept);
  written -= of_kept;
  for (std::string_view bytes : {first, second, third}) {
    const size_t done = std::min(written, bytes.size());
    pending_.append(bytes.substr(done));
    written -= done;
  }
  if (!blocked_) pace_.rest();
}

// The kernel has these of what is kept.
void Output::take_off(size_t count) {
  sent_ += count;
  if (sent_ == pending_.size()) {
    pending_.clear();
    sent_ = 0;
  } else if (sent_ > pending_.size() / 2) {
    pending_.erase(0, sent_);
    sent_ = 0;
  }
}

void Output::fail() {
  failed_ = true;
  blocked_ = false;
  pending_.clear();
  sent_ = 0;
}

// Runs only while nobody awaits this output: it never resumes anybody, so it can be cancelled from
// everywhere.
void Output::flush_in_background() {
  if (blocked_ && !awaited_ && background_.size() == 0) background_.start(flush());
}

base::Task<void> Output::flush() {
  while (blocked_) {
    auto waiting = wait_writable();
    if (!co_await waiting) break;
    write_pending();
  }
}

base::Task<bool> Output::wait_writable() {
  auto waiting = pace_.wait_writable(loop_);
  const bool writable = co_await waiting;
  if (!writable) fail();
  co_return writable;
}

base::Task<bool> Output::wait_until_below(size_t limit) {
  if (failed_) co_return false;
  if (pending() <= limit) co_return true;
  stop_background();
  {
    const Awaited awaited(awaited_);
    while (pending() > limit) {
      if (blocked_) {
        auto waiting = wait_writable();
        if (!co_await waiting) co_return false;
      }
      write_pending();
      if (failed_) co_return false;
    }
  }
  flush_in_background();
  co_return true;
}

base::Task<Output::FileResult> Output::send_file(int descriptor, uint64_t offset, uint64_t length) {
  FileResult done{FileOutcome::kClientGone, 0};
  auto emptying = wait_until_below(0);
  if (!co_await emptying) co_return done;
  uint64_t this_turn = 0;
  while (done.sent < length) {
    const size_t wanted = static_cast<size_t>(std::min<uint64_t>(length - done.sent, kSentFileAtOnce));
    const io::IoResult result = stream_.send_file(descriptor, offset + done.sent, wanted);
    const bool blocked = result.status == io::IoStatus::kWouldBlock;
    const bool ended = result.status == io::IoStatus::kDone && result.count == 0;
    if (ended || (result.status == io::IoStatus::kFailed && !is_the_clients(result.error))) {
      done.outcome = FileOutcome::kEndedEarly;
      co_return done;
    }
    if (result.status == io::IoStatus::kFailed) {
      fail();
      co_return done;
    }
    pace_.sent(result.count);
    done.sent += result.count;
    this_turn += result.count;
    if (done.sent == length || (!blocked && this_turn < kFileBytesPerTurn)) continue;
    this_turn = 0;
    auto waiting = wait_writable();
    if (!co_await waiting) co_return done;
  }
  pace_.rest();
  done.outcome = FileOutcome::kSent;
  co_return done;
}

}  // namespace cutwater::serve
