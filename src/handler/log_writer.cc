#include "handler/log_writer.h"

#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

namespace cutwater::handler {

namespace {

constexpr size_t kPipeWrite = 4096;  // PIPE_BUF: poll's "writable" promises room for that much
constexpr int kPollMilliseconds = 200;
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

LogWriter::LogWriter(base::FileDescriptor file, Lost lost, LogWriterOptions options)
    : options_(options), lost_(std::move(lost)) {
  use(std::move(file));
  thread_ = std::thread([this] { run(); });
}

LogWriter::~LogWriter() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void LogWriter::write(std::string_view lines) {
  bool was_empty;
  {
    std::lock_guard lock(mutex_);
    if (queued_.size() + lines.size() > options_.queue_bytes) {
      dropped_ += count_lines(lines);
      return;
    }
    was_empty = queued_.empty();
    queued_.append(lines);
  }
  if (was_empty) wake_.notify_one();
}

void LogWriter::reopen(base::FileDescriptor file) {
  {
    std::lock_guard lock(mutex_);
    next_file_ = std::move(file);
  }
  wake_.notify_one();
}

void LogWriter::use(base::FileDescriptor file) {
  file_ = std::move(file);
  struct stat status;
  regular_ = fstat(file_.get(), &status) == 0 && S_ISREG(status.st_mode);
  mid_line_ = false;
}

void LogWriter::run() {
  block_all_signals();
  std::string batch;  // lines on their way out; the rest of a line that was begun stays in it
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || next_file_.valid() || !queued_.empty() || dropped_ > 0; });
    const bool last = stopping_;
    base::FileDescriptor next = std::move(next_file_);
    const uint64_t dropped = std::exchange(dropped_, 0);
    batch.append(queued_);
    queued_.clear();
    lock.unlock();

    if (dropped > 0) lost_(dropped, "the queue was full");
    const bool written = write_batch(batch);
    if (next.valid()) {
      batch.clear();
      use(std::move(next));
    }
    if (last) return;
    lock.lock();
    const int pause = written ? options_.pause_milliseconds : kErrorPauseMilliseconds;
    wake_.wait_for(lock, std::chrono::milliseconds(pause), [this] { return stopping_; });
  }
}

// False when some of it could not be written. Leaves nothing in `batch`, or the rest of a line that was begun.
bool LogWriter::write_batch(std::string& batch) {
  size_t done = 0;
  while (done < batch.size()) {
    const ssize_t count = write_some(std::string_view(batch).substr(done));
    if (count > 0) {
      done += static_cast<size_t>(count);
      mid_line_ = batch[done - 1] != '\n';
    } else if (count < 0 || time_is_up()) {
      const std::string why = count < 0 ? strerror(errno) : "nobody reads it";
      batch.erase(0, done);
      drop_lines(batch, why);
      return false;
    }
  }
  batch.clear();
  return true;
}

void LogWriter::drop_lines(std::string& batch, std::string_view why) {
  const size_t end = mid_line_ ? batch.find('\n') + 1 : 0;
  const uint64_t lines = count_lines(std::string_view(batch).substr(end));
  batch.resize(end);
  if (lines > 0) lost_(lines, why);
}

// Bytes written; 0: try again; -1: errno.
ssize_t LogWriter::write_some(std::string_view bytes) {
  if (!regular_) {
    // A blocking pipe would hold a longer write back, however writable it was.
    bytes = bytes.substr(0, kPipeWrite);
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
