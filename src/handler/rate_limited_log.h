// RateLimitedLog: a fault that every request repeats is written once a second for each code, with how often it came.
// Where it is one of several things, as one of many scripts, each of these is told of so, as long as there are not too
// many.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "base/log.h"

namespace cutwater::handler {

class RateLimitedLog {
 public:
  explicit RateLimitedLog(base::LogSink& log) : log_(log) {}
  // `code` is a literal. `subject`: which of the things, by a name that is not a client's to choose.
  void write(base::Severity severity, std::string_view code, std::string_view text, base::Instant now,
             std::string_view subject = "");

  // Whether write() would write now: for texts that cost something.
  bool is_due(std::string_view code, base::Instant now, std::string_view subject = "") const;

 private:
  struct Entry {
    base::Instant last{INT64_MIN / 2};
    uint64_t suppressed = 0;
  };
  base::LogSink& log_;
  std::map<std::pair<std::string_view, std::string>, Entry> entries_;
};

}  // namespace cutwater::handler
