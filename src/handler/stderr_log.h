// StderrLog: what a FastCGI program or a CGI script says on its error stream during one request, for our log: in whole
// lines, with the request's id, method and path, and no more than a log can bear (faults.md 113).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/log.h"
#include "io/loop.h"
#include "upstream/fastcgi_call.h"

namespace cutwater::handler {

// How much of the error streams of an upstream's servers, or a route's scripts, a log bears in a second, whatever the
// requests are.
class StderrPace {
 public:
  static constexpr size_t kLinesPerSecond = 100;

  explicit StderrPace(const io::Loop& loop) : loop_(loop) {}
  // Whether another line may be written; `dropped` is how many before it were not.
  bool take(uint64_t& dropped);

 private:
  const io::Loop& loop_;
  base::Instant second_began_{INT64_MIN / 2};
  size_t lines_ = 0;
  uint64_t dropped_ = 0;
};

class StderrLog final : public upstream::StderrSink {
 public:
  static constexpr size_t kMostKept = 8 * 1024;  // bytes of one request

  // All outlive this. `who` says it: "upstream api"; `code` is a literal.
  StderrLog(base::LogSink& log, StderrPace& pace, std::string_view who, uint64_t request_id, std::string_view code,
            std::string_view method, std::string_view path)
      : log_(log), pace_(pace), who_(who), request_id_(request_id), code_(code), method_(method), path_(path) {}
  // Writes what is left.
  ~StderrLog() {
    if (taken_ > 0) write_rest();
  }
  StderrLog(const StderrLog&) = delete;
  StderrLog& operator=(const StderrLog&) = delete;

  void on_stderr(std::string_view piece) override;

 private:
  void write_line(std::string_view line);
  void write_part(std::string_view line);
  void write_rest();

  base::LogSink& log_;
  StderrPace& pace_;
  const std::string_view who_;
  const uint64_t request_id_;
  const std::string_view code_;
  const std::string_view method_;
  const std::string_view path_;
  std::string line_;  // begun, not complete
  size_t taken_ = 0;
  uint64_t dropped_ = 0;
};

}  // namespace cutwater::handler
