// RateLimitedLog: a fault that every request repeats is written once a second for each code, with how often it came.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/log.h"

namespace cutwater::handler {

class RateLimitedLog {
 public:
  explicit RateLimitedLog(base::LogSink& log) : log_(log) {}
  // `code` is a literal.
  void write(base::Severity severity, std::string_view code, std::string_view text, base::Instant now);

  // Whether write() would write now: for texts that cost something.
  bool is_due(std::string_view code, base::Instant now) const;

 private:
  struct Entry {
    base::Instant last{INT64_MIN / 2};
    uint64_t suppressed = 0;
  };
  base::LogSink& log_;
  std::map<std::string_view, Entry> entries_;
};

}  // namespace cutwater::handler
