// FrontLog: the operator's messages of a front, in the form of ConsoleLog, through a writer thread: a full disk or a
// pipe that nobody reads never holds the loop up. Any thread may write.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "base/file_descriptor.h"
#include "base/log.h"
#include "base/result.h"
#include "config/model.h"
#include "handler/log_writer.h"
#include "io/loop.h"

namespace cutwater::app {

// The files the configuration names, opened while the front still has the rights to.
struct LogFiles {
  base::FileDescriptor access;  // not valid: no access log
  base::FileDescriptor error;
  bool access_is_file = false;
  bool error_is_file = false;
};
base::Result<LogFiles> open_log_files(const config::Log& settings);

class FrontLog final : public base::LogSink {
 public:
  // `json`: as `serve --json` wants it.
  FrontLog(base::Severity least, base::FileDescriptor file, bool json = false);

  void write(base::Severity severity, std::string_view code, std::string_view text) override;
  void reopen(base::FileDescriptor file);

 private:
  std::string complete(base::Severity severity, std::string_view code, std::string_view text) const;
  std::string fitting(base::Severity severity, std::string_view code, std::string_view text) const;

  const base::Severity least_;
  const bool json_;
  const bool terminal_;
  const bool colour_;
  std::atomic<size_t> longest_line_;
  std::atomic<uint64_t> lost_{0};
  handler::LogWriter writer_;
};

// Tells the log of lost access log lines: at once, then every ten seconds of those that came since, and in the end.
class LostLines {
 public:
  // Both outlive this; when it goes, the loop does not turn any more and nobody adds.
  LostLines(io::Loop& loop, base::LogSink& log);
  ~LostLines();
  LostLines(const LostLines&) = delete;
  LostLines& operator=(const LostLines&) = delete;

  void add(uint64_t lines, std::string_view why);  // on any thread

 private:
  void tell();

  io::Loop& loop_;
  base::LogSink& log_;
  io::Timer again_;  // armed: told within the last ten seconds
  bool told_ = false;

  std::mutex mutex_;  // guards what follows
  uint64_t untold_ = 0;
  std::string why_;
};

}  // namespace cutwater::app
