#include "handler/rate_limited_log.h"

#include <fmt/format.h>

namespace cutwater::handler {

void RateLimitedLog::write(base::Severity severity, std::string_view code, std::string_view text, base::Instant now) {
  Entry& entry = entries_[code];
  if (now - entry.last < std::chrono::seconds(1)) {
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
