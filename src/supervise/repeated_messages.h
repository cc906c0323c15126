// RepeatedMessages: a warning or error that comes again and again, word for word, is written once a second, with how
// often it came meanwhile. A page that fails at each request fills no disk, and the first failure is told at once.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "base/clock.h"
#include "base/log.h"
#include "io/loop.h"
#include "io/timer.h"

namespace cutwater::supervise {

class RepeatedMessages final : public base::LogSink {
 public:
  // Both outlive this.
  RepeatedMessages(io::Loop& loop, base::LogSink& log);
  ~RepeatedMessages() override;
  RepeatedMessages(const RepeatedMessages&) = delete;
  RepeatedMessages& operator=(const RepeatedMessages&) = delete;

  void write(base::Severity severity, std::string_view code, std::string_view text) override;

 private:
  struct Entry {
    base::Severity severity;
    base::Instant written;
    uint64_t again = 0;  // since then
  };
  using Key = std::pair<std::string, std::string>;  // code and text
  void tell(const Key& key, const Entry& entry);
  void look();

  io::Loop& loop_;
  base::LogSink& log_;
  std::map<Key, Entry> entries_;  // what was written within the last second
  io::Timer look_;
};

}  // namespace cutwater::supervise
