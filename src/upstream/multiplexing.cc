#include "upstream/multiplexing.h"

#include <algorithm>
#include <utility>

#include "upstream/capabilities.h"

namespace cutwater::upstream {

namespace {

constexpr base::Duration kPatience = std::chrono::seconds(1);

bool is_idle(const std::shared_ptr<SharedConnection>& connection) {
  return connection->running() == 0;
}

}  // namespace

Multiplexing::~Multiplexing() {
  retire_all();
}

std::unique_ptr<SharedRequest> Multiplexing::take(base::Duration freshness, bool alone, base::Instant since) {
  if (!may_run_another()) return nullptr;
  const base::Instant now = loop_.now();
  for (const auto& connection : connections_) {
    if (!connection->takes_requests() || connection->shared_since() < since) continue;
    const bool idle = is_idle(connection);
    if (idle ? now - connection->idle_since() > freshness : alone) continue;
    if (!idle || connection->is_silent()) return connection->add(alone);
  }
  return nullptr;
}

std::unique_ptr<SharedRequest> Multiplexing::share(std::unique_ptr<io::Stream>& stream, bool alone) {
  if (!may_run_another()) return nullptr;
  return add(std::move(stream), false)->add(alone);
}

std::shared_ptr<SharedConnection> Multiplexing::add(std::unique_ptr<io::Stream> stream, bool used_before) {
  forget_closed();
  SharedConnectionOptions options;
  options.used_before = used_before;
  options.longest_idle = longest_idle_;
  SharedConnectionOwner* const owner = this;
  connections_.push_back(std::make_shared<SharedConnection>(loop_, std::move(stream), options, owner));
  return connections_.back();
}

// The limit is the application's, over all connections. What is beyond it takes a connection for itself and waits in
// the peer's queue, as it would without all this.
bool Multiplexing::may_run_another() const {
  if (state_ != State::kOn) return false;
  uint64_t running = 0;
  for (const auto& connection : connections_) {
    if (connection->is_open()) running += connection->running();
  }
  return running < most_requests_;
}

void Multiplexing::keep(PooledConnection connection) {
  if (most_idle_ == 0) return;
  if (state_ == State::kUnknown) {
    state_ = State::kAsking;
    return asking_.start(ask(std::move(connection)));
  }
  if (state_ != State::kOn) return keep_alone_(std::move(connection));
  const bool has_room =
      std::any_of(connections_.begin(), connections_.end(), [](const auto& open) { return open->takes_requests(); });
  if (!has_room) add(std::move(connection.stream), true);
}

base::Task<void> Multiplexing::ask(PooledConnection connection) {
  auto asking = ask_capabilities(loop_, *connection.stream, kPatience);
  const Capabilities known = co_await asking;
  state_ = known.multiplexes ? State::kOn : State::kOff;
  most_requests_ = known.most_requests;
  if (known.multiplexes) {
    add(std::move(connection.stream), true);
  } else if (known.answered) {
    keep_alone_(std::move(connection));
  }
}

void Multiplexing::turn_off() {
  if (state_ == State::kAsking) return;
  state_ = State::kOff;
  retire_all();
}

void Multiplexing::forget() {
  asking_.cancel_all();
  state_ = State::kUnknown;
  retire_all();
}

void Multiplexing::retire_all() {
  for (const auto& connection : connections_) {
    connection->disown();
    connection->retire();
  }
  connections_.clear();
}

void Multiplexing::forget_closed() {
  std::erase_if(connections_, [](const auto& connection) { return !connection->is_open(); });
}

size_t Multiplexing::connections() {
  forget_closed();
  return connections_.size();
}

bool Multiplexing::has_idle() const {
  return std::any_of(connections_.begin(), connections_.end(), is_idle);
}

void Multiplexing::close_idle() {
  for (auto idle = connections_.begin(); idle != connections_.end();) {
    idle = is_idle(*idle) ? close(idle) : idle + 1;
  }
}

Multiplexing::Connections::iterator Multiplexing::close(Connections::iterator connection) {
  (*connection)->disown();
  (*connection)->retire();
  return connections_.erase(connection);
}

// The one that has been so for longest goes when there are too many.
void Multiplexing::on_idle() {
  forget_closed();
  became_idle_();
  if (static_cast<size_t>(std::count_if(connections_.begin(), connections_.end(), is_idle)) <= most_idle_) return;
  auto oldest = connections_.end();
  for (auto connection = connections_.begin(); connection != connections_.end(); ++connection) {
    const bool older = oldest == connections_.end() || (*connection)->idle_since() < (*oldest)->idle_since();
    if (is_idle(*connection) && older) oldest = connection;
  }
  close(oldest);
}

}  // namespace cutwater::upstream
