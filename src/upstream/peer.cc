#include "upstream/peer.h"

#include <utility>

namespace cutwater::upstream {

namespace {

// What has had no answer for so long may not have been taken yet. A page that takes longer pays for another connection,
// which is little beside it.
constexpr base::Duration kMayBeWaiting = std::chrono::milliseconds(10);
// Each look at whether a server has learned to keep connections costs a request a second try.
constexpr base::Duration kNoneKept = std::chrono::seconds(10);
// Requests at work. Fewer have little use of a connect that is saved, and much of a free process, if there is one.
constexpr unsigned kMany = 32;

}  // namespace

Peer::Peer(io::Loop& loop, PeerAddress address, const PeerOptions& options)
    : loop_(loop),
      address_(std::move(address)),
      name_(address_.label()),
      options_(options),
      pool_(loop, {options.keepalive, options.longest_idle, options.brief_life.value_or(base::Duration::max())}),
      sharing_(loop.timers(), [this] { share(); }),
      multiplexing_(
          loop, options.keepalive, options.longest_idle,
          [this](PooledConnection connection) { keep_alone(std::move(connection)); }, [this] { share_processes(); }) {}

bool Peer::keeps_connections() const {
  if (keeps_briefly() && (active_ < kMany || loop_.now() < keeps_none_until_)) return false;
  return options_.keepalive > 0;
}

void Peer::keep_alone(PooledConnection connection) {
  if (!keeps_connections() || !may_keep_one()) return;
  pool_.keep(std::move(connection));
  share_processes();
}

void Peer::note_stale() {
  if (keeps_briefly() && !pool_.proven()) keeps_none_until_ = loop_.now() + kNoneKept;
  pool_.doubt();
}

void Peer::close_idle() {
  pool_.close_all();
  multiplexing_.close_idle();
}

void Peer::close_all() {
  pool_.close_all();
  multiplexing_.forget();
}

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
  close_all();
  return was_up;
}

void Peer::note_connected() {
  if (last_failure_ == Failure::kSlowConnect) last_failure_ = Failure::kSlowAnswer;
}

bool Peer::may_keep_one() const {
  return !first_wait_ || loop_.now() - first_wait_->since_ < kMayBeWaiting;
}

base::Instant Peer::shares_since() const {
  return may_keep_one() ? base::Instant{} : first_wait_->opened_;
}

void Peer::share_processes() {
  if (first_wait_ && !sharing_.armed()) sharing_.set(first_wait_->since_ + kMayBeWaiting);
}

void Peer::share() {
  if (!may_keep_one()) close_idle();
  if (pool_.size() > 0 || multiplexing_.has_idle()) share_processes();
}

// The trial is over with its head: what it opened may last for hours.
bool Peer::note_success() {
  has_answered_ = true;
  failures_ = 0;
  trial_ = nullptr;
  return std::exchange(down_until_, base::Instant{}) != base::Instant{};
}

bool Peer::note_check(bool passed, unsigned fails) {
  checks_failed_ = passed ? 0 : checks_failed_ + 1;
  if (passed == well_ || (!passed && checks_failed_ < fails)) return false;
  well_ = passed;
  if (passed) note_success();
  if (!passed) close_all();
  return true;
}

PeerWait::PeerWait(Peer& peer, base::Instant opened)
    : peer_(peer), since_(peer.loop_.now()), opened_(opened), previous_(peer.last_wait_) {
  (previous_ ? previous_->next_ : peer.first_wait_) = this;
  peer.last_wait_ = this;
}

PeerWait::~PeerWait() {
  (previous_ ? previous_->next_ : peer_.first_wait_) = next_;
  (next_ ? next_->previous_ : peer_.last_wait_) = previous_;
}

}  // namespace cutwater::upstream
