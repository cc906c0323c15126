#include "supervise/repeated_messages.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace cutwater::supervise {
namespace {

constexpr base::Duration kPause = std::chrono::seconds(1);
// Texts of any length are kept: more different ones than this are not compared.
constexpr size_t kMostEntries = 64;

}  // namespace

RepeatedMessages::RepeatedMessages(io::Loop& loop, base::LogSink& log)
    : loop_(loop), log_(log), look_(loop.timers(), [this] { look(); }) {}

RepeatedMessages::~RepeatedMessages() {
  for (const auto& [key, entry] : entries_) tell(key, entry);
}

void RepeatedMessages::write(base::Severity severity, std::string_view code, std::string_view text) {
  if (severity < base::Severity::kWarning) return log_.write(severity, code, text);
  Key key(code, text);
  if (const auto known = entries_.find(key); known != entries_.end()) {
    ++known->second.again;
    return;
  }
  log_.write(severity, code, text);
  if (entries_.size() == kMostEntries) return;
  entries_.emplace(std::move(key), Entry{severity, loop_.now()});
  if (!look_.armed()) look_.set(loop_.now() + kPause);
}

void RepeatedMessages::tell(const Key& key, const Entry& entry) {
  if (entry.again == 0) return;
  const auto& [code, text] = key;
  log_.write(entry.severity, code,
             fmt::format("{} (the same {})", text.substr(0, text.find('\n')), base::counted(entry.again, "more time")));
}

void RepeatedMessages::look() {
  base::Instant next = base::kNever;
  for (auto place = entries_.begin(); place != entries_.end();) {
    auto& [key, entry] = *place;
    const bool is_over = loop_.now() - entry.written >= kPause;
    const bool goes_on = is_over && entry.again > 0;
    if (goes_on) {
      tell(key, entry);
      entry = {entry.severity, loop_.now()};
    }
    if (is_over && !goes_on) {
      place = entries_.erase(place);
      continue;
    }
    next = std::min(next, entry.written + kPause);
    ++place;
  }
  if (next != base::kNever) look_.set(next);
}

}  // namespace cutwater::supervise
