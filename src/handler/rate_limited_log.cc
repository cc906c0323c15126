#include "handler/rate_limited_log.h"

#include <fmt/format.h>

namespace cutwater::handler {
namespace {

constexpr base::Duration kPause = std::chrono::seconds(1);
constexpr size_t kMostEntries = 200;

}  // namespace

bool RateLimitedLog::is_due(std::string_view code, base::Instant now, std::string_view subject) const {
  const auto entry = entries_.find({code, std::string(subject)});
  return entry == entries_.end() || now - entry->second.last >= kPause;
}

void RateLimitedLog::write(base::Severity severity, std::string_view code, std::string_view text, base::Instant now,
                           std::string_view subject) {
  std::pair<std::string_view, std::string> key(code, subject);
  if (entries_.size() >= kMostEntries && !entries_.contains(key)) key.second.clear();
  Entry& entry = entries_[std::move(key)];
  if (now - entry.last < kPause) {
    ++entry.suppressed;
    return;
  }
  entry.last = now;
  if (entry.suppressed == 0) {
    log_.write(severity, code, text);
  } else {
    log_.write(severity, code, fmt::format("{} ({} more like it before)", text, entry.suppressed));
  }
  entry.suppressed = 0;
}

}  // namespace cutwater::handler
