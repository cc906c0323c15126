// LogWriter: lines go into a bounded queue, a thread writes them to one descriptor in batches. The caller never
// waits: when the queue is full, or the disk is, whole lines are dropped and counted (faults.md 154, 155). The
// thread is there only while lines come: the system calls of a process that has but one are cheaper, as nobody else
// can change its descriptors meanwhile (2 to 3 % of a small request).
//
// Fronts, the master and others may share a pipe: what goes there ends at the end of a line and has at most PIPE_BUF
// bytes, which the kernel takes in one piece. So lines for it have at most that many: `longest_line`.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "base/file_descriptor.h"

namespace cutwater::handler {

struct LogWriterOptions {
  size_t queue_bytes = 4 * 1024 * 1024;
  int pause_milliseconds = 20;      // between batches: lines that come closer together share a write
  int give_up_milliseconds = 1000;  // at the end, for a reader that does not read
  int rest_milliseconds = 5000;     // without a line, until the thread ends
};

// Bytes of a line, its newline included, that no other process that writes there can tear: PIPE_BUF for a pipe, what
// one packet takes for a socket (journald). Files take lines of any length.
size_t longest_line(int descriptor);

class LogWriter {
 public:
  // Writes to `file` as it is: an inherited stdout is never made non-blocking. Files are opened with O_APPEND.
  // `lost` is told, on the writer's thread, of lines that could not be written: while it happens, and of every one.
  using Lost = std::function<void(uint64_t lines, std::string_view why)>;
  LogWriter(base::FileDescriptor file, Lost lost, LogWriterOptions options = {});
  ~LogWriter();  // what is queued is written first, if that does not take too long

  // `lines`: one or more whole lines, each with its newline. Where no thread can be had they wait for the next call.
  void write(std::string_view lines);
  // What was written before goes to the old file, what comes after to the new one.
  void reopen(base::FileDescriptor file);

 private:
  void go_on();
  bool has_work() const;
  void write_out();
  void use(base::FileDescriptor file);
  bool write_batch(bool last);
  void drop_lines(std::string_view why, bool last);
  void tell_of_dropped(std::string_view why);
  ssize_t write_some(std::string_view bytes);
  bool time_is_up();

  const LogWriterOptions options_;
  const Lost lost_;

  std::string batch_;  // these are the thread's: lines on their way out, or the rest of a line that was begun
  base::FileDescriptor file_;
  size_t longest_write_ = std::string::npos;  // else of a pipe or the like
  bool mid_line_ = false;                     // the last byte written was no newline
  std::chrono::steady_clock::time_point give_up_at_;

  std::mutex mutex_;  // guards what follows
  std::condition_variable wake_;
  std::string queued_;
  uint64_t dropped_ = 0;
  base::FileDescriptor next_file_;
  bool stopping_ = false;
  bool running_ = false;  // the thread looks at all this once more
  std::thread thread_;
};

}  // namespace cutwater::handler
