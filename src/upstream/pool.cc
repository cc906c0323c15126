#include "upstream/pool.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace cutwater::upstream {

namespace {

// Whether nothing has come, not even the end.
bool is_silent(io::Stream& stream) {
  char byte;
  return stream.read(std::span(&byte, 1)).status == io::IoStatus::kWouldBlock;
}

}  // namespace

// Of what was kept in this turn nothing is known without a system call: others come first where that matters.
std::vector<std::unique_ptr<Pool::Idle>>::iterator Pool::best(Silence silence) {
  if (silence == Silence::kSinceLastTurn) {
    for (auto place = idle_.end(); place != idle_.begin();) {
      --place;
      if ((*place)->since < loop_.now()) return place;
    }
  }
  return std::prev(idle_.end());
}

PooledConnection Pool::take(base::Duration freshness, Silence silence) {
  while (!idle_.empty()) {
    const auto place = best(silence);
    const base::Instant since = (*place)->since;
    if ((*place)->stream && loop_.now() - since > freshness) return {};
    std::unique_ptr<Idle> taken = std::move(*place);
    idle_.erase(place);
    if (!taken->stream || loop_.now() - taken->opened >= limits_.longest_life) continue;
    const bool known = silence == Silence::kSinceLastTurn && since < loop_.now() && taken->stream->was_silent();
    taken->watch.cancel_all();
    // What came in this turn has not been told to the watch yet.
    if (known || is_silent(*taken->stream)) return {std::move(taken->stream), taken->opened, true};
  }
  return {};
}

void Pool::keep(PooledConnection connection) {
  proven_ = proven_ || connection.used_before;
  forget_closed();
  if (limits_.most == 0 || loop_.now() - connection.opened >= limits_.longest_life) return;
  if (idle_.size() == limits_.most) idle_.erase(idle_.begin());
  Idle& idle = *idle_.emplace_back(std::make_unique<Idle>());
  idle.stream = std::move(connection.stream);
  idle.opened = connection.opened;
  idle.since = loop_.now();
  idle.watch.start(watch(idle));
}

base::Task<void> Pool::watch(Idle& idle) {
  const base::Duration life_left = limits_.longest_life - (idle.since - idle.opened);
  const base::Instant end = idle.since + std::min(limits_.longest_idle, life_left);
  bool silent = true;
  while (silent) {
    const io::WaitResult waited = co_await idle.stream->readable(end);
    silent = waited == io::WaitResult::kReady && is_silent(*idle.stream);
  }
  // The entry itself goes later: this task is part of it.
  idle.stream.reset();
  any_closed_ = true;
}

void Pool::forget_closed() {
  if (!std::exchange(any_closed_, false)) return;
  std::erase_if(idle_, [](const std::unique_ptr<Idle>& idle) { return !idle->stream; });
}

size_t Pool::size() {
  forget_closed();
  return idle_.size();
}

}  // namespace cutwater::upstream
