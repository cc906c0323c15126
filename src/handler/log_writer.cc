#include "handler/log_writer.h"

#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <system_error>
#include <utility>

#include "base/text.h"

namespace cutwater::handler {

namespace {

// What is taken whole or not at all, and what poll's "writable" promises room for.
constexpr size_t kPipeWrite = PIPE_BUF;
constexpr size_t kSocketWrite = 32 * 1024;  // one buffer of the kernel; a quarter of it at most is used when writable
constexpr int kPollMilliseconds = 200;
constexpr const char* kNobodyReads = "nobody reads it";
constexpr int kErrorPauseMilliseconds = 500;  // a full disk is not asked again at once

uint64_t count_lines(std::string_view text) {
  return static_cast<uint64_t>(std::count(text.begin(), text.end(), '\n'));
}

// The thread must not take signals that are meant for the loop's.
void block_all_signals() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

}  // namespace

size_t longest_line(int descriptor) {
  struct stat status;
  if (fstat(descriptor, &status) != 0 || S_ISREG(status.st_mode)) return std::string::npos;
  return S_ISSOCK(status.st_mode) ? kSocketWrite : kPipeWrite;
}

LogWriter::LogWriter(base::FileDescriptor file, Lost lost, LogWriterOptions options)
    : options_(options), lost_(std::move(lost)) {
  use(std::move(file));
}

LogWriter::~LogWriter() {
  std::unique_lock lock(mutex_);
  stopping_ = true;
  go_on();
  const bool running = running_;
  lock.unlock();
  if (thread_.joinable()) thread_.join();
  if (!running) write_out();
}

bool LogWriter::has_work() const {
  return next_file_.valid() || !queued_.empty() || dropped_ > 0;
}

// With the lock held. A thread that does not run any more has nothing left to do but to return.
void LogWriter::go_on() {
  if (running_) return wake_.notify_one();
  if (!has_work()) return;
  if (thread_.joinable()) thread_.join();
  try {
    thread_ = std::thread([this] {
      block_all_signals();
      write_out();
    });
    running_ = true;
  } catch (const std::system_error&) {
  }
}

void LogWriter::write(std::string_view lines) {
  std::lock_guard lock(mutex_);
  const bool fits = queued_.size() + lines.size() <= options_.queue_bytes;
  const bool was_empty = queued_.empty();
  if (fits) {
    queued_.append(lines);
  } else {
    dropped_ += count_lines(lines);
  }
  if (was_empty || !running_) go_on();
}

void LogWriter::reopen(base::FileDescriptor file) {
  std::lock_guard lock(mutex_);
  next_file_ = std::move(file);
  go_on();
}

void LogWriter::use(base::FileDescriptor file) {
  file_ = std::move(file);
  longest_write_ = longest_line(file_.get());
  mid_line_ = false;
}

void LogWriter::write_out() {
  std::unique_lock lock(mutex_);
  for (;;) {
    const std::chrono::milliseconds rest(options_.rest_milliseconds);
    wake_.wait_for(lock, rest, [this] { return stopping_ || has_work(); });
    const bool last = stopping_;
    running_ = last || has_work();
    if (!running_) return;
    base::FileDescriptor next = std::move(next_file_);
    batch_.append(queued_);
    queued_.clear();
    lock.unlock();

    tell_of_dropped("the queue was full");
    const bool written = write_batch(last);
    if (next.valid()) {
      if (!batch_.empty()) lost_(1, "its file was closed");
      batch_.clear();
      use(std::move(next));
    }
    if (last) return;
    lock.lock();
    const int pause = written ? options_.pause_milliseconds : kErrorPauseMilliseconds;
    wake_.wait_for(lock, std::chrono::milliseconds(pause), [this] { return stopping_; });
  }
}

void LogWriter::tell_of_dropped(std::string_view why) {
  std::unique_lock lock(mutex_);
  const uint64_t dropped = std::exchange(dropped_, 0);
  lock.unlock();
  if (dropped > 0) lost_(dropped, why);
}

// False when some of it could not be written. Leaves nothing of the batch, or the rest of a line that was begun.
bool LogWriter::write_batch(bool last) {
  size_t done = 0;
  while (done < batch_.size()) {
    const ssize_t count = write_some(std::string_view(batch_).substr(done));
    if (count > 0) {
      done += static_cast<size_t>(count);
      mid_line_ = batch_[done - 1] != '\n';
    } else if (count < 0 || time_is_up()) {
      const std::string why = count < 0 ? strerror(errno) : kNobodyReads;
      batch_.erase(0, done);
      drop_lines(why, last);
      return false;
    } else {
      tell_of_dropped(kNobodyReads);
    }
  }
  batch_.clear();
  return true;
}

// The rest of a line that was begun stays, to be written before anything else: in the end it is lost too.
void LogWriter::drop_lines(std::string_view why, bool last) {
  const size_t end = mid_line_ && !last ? batch_.find('\n') + 1 : 0;
  const uint64_t lines = count_lines(std::string_view(batch_).substr(end));
  batch_.resize(end);
  if (lines > 0) lost_(lines, why);
}

// Bytes written; 0: try again; -1: errno.
ssize_t LogWriter::write_some(std::string_view bytes) {
  if (longest_write_ != std::string::npos) {
    // A blocking pipe would hold a longer write back, however writable it was.
    bytes = base::leading_lines(bytes, longest_write_);
    pollfd ready{file_.get(), POLLOUT, 0};
    if (poll(&ready, 1, kPollMilliseconds) == 0) return 0;
  }
  const ssize_t count = ::write(file_.get(), bytes.data(), bytes.size());
  return count < 0 && (errno == EINTR || errno == EAGAIN) ? 0 : count;
}

// Once the end has come a reader that does not read gets a little time more.
bool LogWriter::time_is_up() {
  using Clock = std::chrono::steady_clock;
  std::lock_guard lock(mutex_);
  if (!stopping_) return false;
  const auto now = Clock::now();
  if (give_up_at_ == Clock::time_point()) {
    give_up_at_ = now + std::chrono::milliseconds(options_.give_up_milliseconds);
  }
  return now >= give_up_at_;
}

}  // namespace cutwater::handler
