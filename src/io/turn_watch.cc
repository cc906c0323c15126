#include "io/turn_watch.h"

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <string>

#include "base/text.h"

namespace cutwater::io {

namespace {

constexpr base::Duration kLongTurn = std::chrono::milliseconds(50);
constexpr base::Duration kNoteEvery = std::chrono::milliseconds(100);  // one small read: 0.002 % of the time
constexpr base::Duration kWarnEvery = std::chrono::seconds(10);

}  // namespace

TurnWatch::TurnWatch(base::LogSink& log)
    : log_(log), statistics_(open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC)) {}

void TurnWatch::begin(base::Instant now) {
  if (now - noted_ < kNoteEvery) return;
  noted_ = now;
  waited_ = nanoseconds_waited_for_cpu();
}

void TurnWatch::end(base::Instant began, base::Instant now) {
  if (now - began < kLongTurn) return;
  const base::Duration waited = std::chrono::nanoseconds(nanoseconds_waited_for_cpu() - waited_);
  const base::Duration took = now - began - waited;
  if (took < kLongTurn) return;
  if (now < next_warning_) {
    ++unsaid_;
    return;
  }
  next_warning_ = now + kWarnEvery;
  std::string text = "one turn of the event loop took ";
  base::append_decimal(text, static_cast<uint64_t>(took.count() / 1'000'000));
  text += " ms; every connection of this process waited for it";
  if (unsaid_ > 0) {
    text += " (";
    base::append_decimal(text, unsaid_);
    text += " more since the last such message)";
  }
  unsaid_ = 0;
  log_.warning("CW0405", text);
}

// The second number of "ran waited slices".
int64_t TurnWatch::nanoseconds_waited_for_cpu() const {
  char text[96];
  const ssize_t length = statistics_.valid() ? pread(statistics_.get(), text, sizeof text - 1, 0) : 0;
  if (length <= 0) return 0;
  text[length] = '\0';
  char* behind_first = nullptr;
  strtoll(text, &behind_first, 10);
  return strtoll(behind_first, nullptr, 10);
}

}  // namespace cutwater::io
