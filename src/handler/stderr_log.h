// StderrLog: what a FastCGI application says on its error stream during one request, for our log: in whole lines, with
// the request's id, and no more than a log can bear (faults.md 113).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/log.h"
#include "upstream/fastcgi_call.h"

namespace cutwater::handler {

class StderrLog final : public upstream::StderrSink {
 public:
  static constexpr size_t kMostKept = 8 * 1024;  // bytes of one request

  // `log` outlives this; `upstream` is its name.
  StderrLog(base::LogSink& log, std::string_view upstream, uint64_t request_id)
      : log_(log), upstream_(upstream), request_id_(request_id) {}
  // Writes what is left.
  ~StderrLog();
  StderrLog(const StderrLog&) = delete;
  StderrLog& operator=(const StderrLog&) = delete;

  void on_stderr(std::string_view piece) override;

 private:
  void write_line(std::string_view line);

  base::LogSink& log_;
  const std::string upstream_;
  const uint64_t request_id_;
  std::string line_;  // begun, not complete
  size_t taken_ = 0;
  uint64_t dropped_ = 0;
};

}  // namespace cutwater::handler
