#include "upstream/pool.h"

#include <utility>

namespace cutwater::upstream {

namespace {

// Whether nothing has come, not even the end.
bool is_silent(io::Stream& stream) {
  char byte;
  return stream.read(std::span(&byte, 1)).status == io::IoStatus::kWouldBlock;
}

}  // namespace

std::unique_ptr<io::Stream> Pool::take(base::Duration freshness) {
  while (!idle_.empty()) {
    Idle& last = *idle_.back();
    if (last.stream && loop_.now() - last.since > freshness) return nullptr;
    std::unique_ptr<Idle> taken = std::move(idle_.back());
    idle_.pop_back();
    taken->watch.cancel_all();
    // What came in this turn has not been told to the watch yet.
    if (taken->stream && is_silent(*taken->stream)) return std::move(taken->stream);
  }
  return nullptr;
}

void Pool::keep(std::unique_ptr<io::Stream> stream, bool again) {
  proven_ = proven_ || again;
  forget_closed();
  if (most_ == 0) return;
  if (idle_.size() == most_) idle_.erase(idle_.begin());
  Idle& idle = *idle_.emplace_back(std::make_unique<Idle>());
  idle.stream = std::move(stream);
  idle.since = loop_.now();
  idle.watch.start(watch(idle));
}

base::Task<void> Pool::watch(Idle& idle) {
  const base::Instant end = idle.since + longest_idle_;
  bool silent = true;
  while (silent) {
    const io::WaitResult waited = co_await idle.stream->readable(end);
    silent = waited == io::WaitResult::kReady && is_silent(*idle.stream);
  }
  // The entry itself goes later: this task is part of it.
  idle.stream.reset();
}

void Pool::forget_closed() {
  std::erase_if(idle_, [](const std::unique_ptr<Idle>& idle) { return !idle->stream; });
}

size_t Pool::size() {
  forget_closed();
  return idle_.size();
}

}  // namespace cutwater::upstream
