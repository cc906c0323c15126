// ConsoleLog: messages for the operator on stderr or in a file, one block for each problem (interface.md
// section 9). Never blocks: what the other end does not take is dropped and counted, and the count is told
// when it takes again.
#pragma once

#include <cstdint>
#include <string>

#include "base/file_descriptor.h"
#include "base/log.h"
#include "base/result.h"

namespace cutwater::app {

// "debug" | "info" | "warning" | "error"; anything else is info.
base::Severity to_severity(std::string_view level);

class ConsoleLog : public base::LogSink {
 public:
  // `path`: "stderr" or a file, opened at once (never through a symbolic link) and kept open.
  static base::Result<void> open(ConsoleLog& log, const std::string& path);
  explicit ConsoleLog(base::Severity least = base::Severity::kInfo, bool json = false);

  void set_least(base::Severity least) { least_ = least; }
  bool to_file() const { return file_.valid(); }
  int descriptor() const { return descriptor_; }
  base::Result<void> reopen();  // the file, after it was rotated

  void write(base::Severity severity, std::string_view code, std::string_view text) override;
  // Whole lines of somebody else's, as they are.
  void pass_on(std::string_view lines) { lost_ += !put(lines); }

  // {"time": ..., "severity": "error", "code": "CW0312", "text": ...} and a line end; all that a message has, in one
  // line.
  static std::string format_json(base::Severity severity, std::string_view code, std::string_view text);

  // The block as written: "error[CW0312] what\n  why\n". For tests: everything but the time.
  static std::string format(base::Severity severity, std::string_view code, std::string_view text, bool colour);

 private:
  std::string complete(base::Severity severity, std::string_view code, std::string_view text) const;
  bool put(std::string_view block);

  base::Severity least_;
  bool json_;
  int descriptor_ = 2;
  bool terminal_;
  bool colour_;
  std::string path_;
  base::FileDescriptor file_;
  uint64_t lost_ = 0;
};

// Opens a log file for appending: created with 0640, never through a symbolic link, only a regular file or a
// pipe.
base::Result<base::FileDescriptor> open_log_file(const std::string& path);

// What open_log_file says of an error in errno, with the way out.
base::Error cannot_open_log(const std::string& path);

}  // namespace cutwater::app
