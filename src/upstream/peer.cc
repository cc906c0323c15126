#include "upstream/peer.h"

#include <utility>

namespace cutwater::upstream {

Peer::Peer(io::Loop& loop, PeerAddress address, const PeerOptions& options)
    : loop_(loop),
      address_(std::move(address)),
      options_(options),
      pool_(loop, options.keepalive, options.longest_idle) {}

bool Peer::available(base::Instant now) const {
  if (!well_) return false;
  return !is_down() || (now >= down_until_ && !trial_);
}

bool Peer::note_failure(base::Instant now, Failure failure) {
  last_failure_ = failure;
  ++failures_;
  if (options_.max_fails == 0 || failures_ < options_.max_fails) return false;
  const bool was_up = !is_down();
  down_until_ = now + options_.fail_time;
  pool_.close_all();
  return was_up;
}

// The trial is over with its head: what it opened may last for hours.
bool Peer::note_success() {
  failures_ = 0;
  trial_ = nullptr;
  return std::exchange(down_until_, base::Instant{}) != base::Instant{};
}

bool Peer::note_check(bool passed, unsigned fails) {
  checks_failed_ = passed ? 0 : checks_failed_ + 1;
  if (passed == well_ || (!passed && checks_failed_ < fails)) return false;
  well_ = passed;
  if (passed) note_success();
  if (!passed) pool_.close_all();
  return true;
}

}  // namespace cutwater::upstream
