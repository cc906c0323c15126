#include "serve/fastcgi_connection.h"

#include <poll.h>

#include <algorithm>
#include <utility>

#include "codec/fastcgi/record.h"
#include "serve/foreign_protocol.h"

namespace cutwater::serve {

using codec::fastcgi::ServerSession;
using Event = ServerSession::Event;

namespace {

constexpr base::Duration kWhileRequestsRun = std::chrono::hours(1);
constexpr base::Duration kLingerTime = std::chrono::seconds(5);
constexpr base::Duration kLingerTimeDraining = std::chrono::seconds(1);

codec::fastcgi::SessionLimits session_limits(const ServeOptions& options) {
  codec::fastcgi::SessionLimits limits;
  limits.variables = variable_limits(options.head);
  limits.connections = static_cast<unsigned>(options.connections);
  return limits;
}

}  // namespace

// Forgotten when its coroutine is cancelled.
class FastcgiConnection::RoomWait {
 public:
  explicit RoomWait(FastcgiConnection& connection) : connection_(connection) {}
  RoomWait(const RoomWait&) = delete;
  RoomWait& operator=(const RoomWait&) = delete;
  ~RoomWait() { std::erase(connection_.waiting_for_room_, this); }
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiter) {
    waiter_ = waiter;
    connection_.waiting_for_room_.push_back(this);
  }
  void await_resume() const noexcept {}
  void wake() { waiter_.resume(); }

 private:
  FastcgiConnection& connection_;
  std::coroutine_handle<> waiter_;
};

FastcgiConnection::FastcgiConnection(ServerState& server, std::unique_ptr<io::Stream> stream, const io::Address& peer,
                                     const io::Address& local)
    : server_(server),
      stream_(std::move(stream)),
      input_(server.receive_buffer),
      peer_(peer),
      local_(local),
      session_(session_limits(server.options)),
      output_(server.loop, *stream_, server.options, output_memory_),
      lingered_(server.loop.timers(), [this] { peer_left(); }) {
  stream_->listen_for_hangup(this);
  append_to(server_.busy);
}

FastcgiConnection::~FastcgiConnection() {
  unlink();
  std::erase(server_.hung_up, this);
}

// Reads until the peer leaves, or until there is no room for more: tell_hangup() starts it again.
base::Task<void> FastcgiConnection::run() {
  while (!peer_left_) {
    const Taken taken = take_events();
    if (taken == Taken::kFull) co_return;
    if (taken == Taken::kBroken) break;
    if (output_.pending() > server_.options.output_buffer) {  // a peer that asks and does not read
      auto waiting = wait_for_room();
      if (!co_await waiting) break;
      continue;
    }
    const base::Instant until = wait_until();
    const io::WaitResult waited = co_await stream_->readable(until);
    leave_idle();
    if (waited == io::WaitResult::kTimedOut) {
      if (exchanges_.empty()) break;
      continue;
    }
    const io::IoStatus received = input_.receive(*stream_).status;
    if (received == io::IoStatus::kWouldBlock) continue;
    if (received != io::IoStatus::kDone) break;
  }
  peer_left();
}

FastcgiConnection::Taken FastcgiConnection::take_events() {
  while (!full()) {
    const Event event = session_.next(input_.bytes(), replies_);
    input_.consume(event.consumed);
    if (!replies_.empty()) output_.send(replies_);
    replies_.clear();
    if (event.kind == Event::kMalformed) {
      warn_of_foreigner(server_, local_, event.reason);
      return Taken::kBroken;
    }
    if (event.kind == Event::kNeedMore) return Taken::kAll;
    take(event);
  }
  return Taken::kFull;
}

void FastcgiConnection::take(const Event& event) {
  if (event.kind == Event::kRequest) return begin(event.request_id);
  FastcgiExchange* exchange = find(event.request_id);
  if (exchange == nullptr) return;
  if (event.kind != Event::kAbort) return exchange->take(event);
  exchange->client_left();
  tidy_later();
}

void FastcgiConnection::begin(uint16_t request_id) {
  head_began_ = base::Instant{0};
  if (closing_ || cut_) return refuse(request_id);
  ++requests_;
  auto& exchange = exchanges_[request_id];
  FastcgiExchangeOwner& owner = *this;
  exchange = std::make_unique<FastcgiExchange>(server_, owner, output_, session_, request_id, peer_, local_);
  exchange->start();
}

// What begins on a connection that is about to be closed could lose its answer; this one may be sent again elsewhere.
void FastcgiConnection::refuse(uint16_t request_id) {
  codec::fastcgi::append_end_request(output_.staged(), request_id, {0, codec::fastcgi::ProtocolStatus::kOverloaded});
  if (!peer_left_) output_.send();
  unread_ = true;
  session_.end_request(request_id);
}

FastcgiExchange* FastcgiConnection::find(uint16_t request_id) {
  const auto found = exchanges_.find(request_id);
  return found == exchanges_.end() ? nullptr : found->second.get();
}

// A request whose handler does not take its body holds up the others: FastCGI can stop none of them alone.
bool FastcgiConnection::full() const {
  return std::any_of(exchanges_.begin(), exchanges_.end(), [](const auto& entry) { return entry.second->full(); });
}

base::Instant FastcgiConnection::wait_until() {
  const base::Instant now = server_.loop.now();
  if (!exchanges_.empty() || closing_) return now + kWhileRequestsRun;
  if (session_.running() > 0 || !input_.empty()) {
    if (head_began_ == base::Instant{0}) head_began_ = now;
    return head_began_ + server_.options.header_timeout;
  }
  head_began_ = base::Instant{0};
  input_.release_memory();
  idle_ = true;
  idle_since_ = now;
  unlink();
  append_to(server_.idle);
  return now + server_.options.keepalive;
}

void FastcgiConnection::leave_idle() {
  if (!std::exchange(idle_, false)) return;
  unlink();
  append_to(server_.busy);
}

bool FastcgiConnection::may_be_closed() const {
  pollfd state{stream_->descriptor(), POLLIN, 0};
  return idle_ && !closed_ && output_.pending() == 0 && poll(&state, 1, 0) <= 0;
}

base::Task<bool> FastcgiConnection::wait_for_room() {
  while (!output_.failed() && output_.pending() > server_.options.output_buffer) {
    if (drainer_.size() == 0) drainer_.start(drain());
    if (output_.failed() || output_.pending() <= server_.options.output_buffer) break;
    RoomWait wait(*this);
    co_await wait;
  }
  co_return !output_.failed();
}

base::Task<void> FastcgiConnection::drain() {
  do {
    auto waiting = output_.wait_until_below(server_.options.output_buffer);
    const bool well = co_await waiting;
    if (!well) peer_left();
    // One after the other while there is room: whoever wrote waits behind the others then.
    while (!waiting_for_room_.empty() && (output_.failed() || output_.pending() <= server_.options.output_buffer)) {
      RoomWait* first = waiting_for_room_.front();
      waiting_for_room_.erase(waiting_for_room_.begin());
      first->wake();
    }
  } while (!waiting_for_room_.empty());
}

void FastcgiConnection::on_ended(FastcgiExchange& exchange) {
  const uint16_t request_id = exchange.request_id();
  if (exchange.may_end()) {
    codec::fastcgi::append_record(output_.staged(), codec::fastcgi::RecordType::kStdout, request_id, {});
    codec::fastcgi::append_end_request(output_.staged(), request_id, {});
    if (!peer_left_) output_.send();
  } else {
    cut_ = true;
  }
  closing_ = closing_ || server_.draining || !session_.keeps_connection(request_id);
  unread_ = unread_ || !exchange.input_ended();
  session_.end_request(request_id);
  const auto found = exchanges_.find(request_id);
  over_.push_back(std::move(found->second));
  exchanges_.erase(found);
  tidy_later();
}

void FastcgiConnection::on_hangup(io::Hangup) {
  peer_left();
}

void FastcgiConnection::peer_left() {
  peer_left_ = true;
  std::vector<uint16_t> running;
  for (const auto& entry : exchanges_) running.push_back(entry.first);
  for (uint16_t request_id : running) {
    if (FastcgiExchange* exchange = find(request_id)) exchange->client_left();
  }
  tidy_later();
}

void FastcgiConnection::tidy_later() {
  tidy_again_ = true;
  if (std::exchange(tidying_, true)) return;
  server_.hung_up.push_back(this);
  server_.loop.run_hooks_again();
}

bool FastcgiConnection::tell_hangup() {
  bool all_told = true;
  do {
    tidy_again_ = false;
    over_.clear();
    all_told = tell_all();
    if (!closed_) go_on();
  } while (tidy_again_ && !closed_);
  if (all_told) tidying_ = false;
  return all_told;
}

bool FastcgiConnection::tell_all() {
  std::vector<uint16_t> running;
  for (const auto& entry : exchanges_) running.push_back(entry.first);
  bool all_told = true;
  for (uint16_t request_id : running) {
    if (FastcgiExchange* exchange = find(request_id)) all_told &= exchange->tell_gone();
  }
  return all_told;
}

void FastcgiConnection::go_on() {
  if (!exchanges_.empty()) {
    if (reader_.size() == 0 && !peer_left_ && !full()) reader_.start(run());
    return;
  }
  if (peer_left_ || cut_ || output_.failed()) return close(cut_ || output_.failed());
  if (closing_ || session_.wants_close()) {
    closing_ = true;
    if (finisher_.size() == 0 && !lingered_.armed()) {
      drainer_.cancel_all();
      finisher_.start(finish());
    }
    return;
  }
  reader_.cancel_all();  // its wait has the deadline of a connection where something runs
  reader_.start(run());
}

// The last answers must reach the peer. One that still sends a body is read on a while, as by Connection::linger().
base::Task<void> FastcgiConnection::finish() {
  auto flushing = output_.wait_until_below(0);
  const bool flushed = co_await flushing;
  if (!flushed || !unread_) co_return peer_left();
  stream_->shutdown_write();
  lingered_.set(server_.loop.now() + (server_.draining ? kLingerTimeDraining : kLingerTime));
}

void FastcgiConnection::close(bool with_reset) {
  if (std::exchange(closed_, true)) return;
  if (with_reset) stream_->reset_on_close();
  server_.finished.push_back(this);
  server_.loop.run_hooks_again();
}

}  // namespace cutwater::serve
