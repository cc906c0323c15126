#include "serve/fastcgi_connection.h"

#include <algorithm>
#include <utility>

#include "codec/fastcgi/record.h"
#include "serve/foreign_protocol.h"
#include "serve/request_head.h"

namespace cutwater::serve {

using codec::fastcgi::ServerSession;
using Event = ServerSession::Event;

namespace {

constexpr base::Duration kWhileRequestsRun = std::chrono::hours(1);
constexpr base::Duration kHeldUp = std::chrono::milliseconds(100);  // before a full body is spooled
constexpr uint64_t kMostLingering = 64 * 1024 * 1024;

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
  RoomWait(FastcgiConnection& connection, size_t most_unsent) : limit(most_unsent), connection_(connection) {}
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

  const size_t limit;

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
      pace_(*stream_, server.options),
      output_(server.loop, *stream_, pace_, output_memory_),
      lingered_(server.loop.timers(), [this] { peer_left(); }),
      held_up_(server.loop.timers(), [this] { spill_what_is_full(); }) {
  stream_->listen_for_hangup(this);
  stream_->read_with_others();
  append_to(server_.busy);
}

// What still runs is cut off by the end of a stop.
FastcgiConnection::~FastcgiConnection() {
  for (const auto& [request_id, exchange] : exchanges_) {
    if (exchange->cut()) say_end(request_id);
  }
  unlink();
  std::erase(server_.hung_up, this);
}

// Reads until the peer leaves, or until there is no room for more: tell_hangup() starts it again.
base::Task<void> FastcgiConnection::run() {
  hold_up(false);
  while (!peer_left_) {
    const Taken taken = lingering_ ? drop_input() : take_events();
    if (taken == Taken::kFull) co_return hold_up(true);
    if (taken == Taken::kBroken) break;
    if (output_.pending() > server_.options.output_buffer) {  // a peer that asks and does not read
      hold_up(true);
      auto waiting = wait_for_room();
      if (!co_await waiting) break;
      hold_up(false);
      continue;
    }
    const base::Instant until = wait_until();
    const io::WaitResult waited = co_await stream_->readable(until);
    leave_idle();
    if (waited == io::WaitResult::kTimedOut) {
      if (exchanges_.empty() && heads_.empty() && !closing_) break;
      refuse_slow_heads();
      continue;
    }
    const io::IoStatus received = input_.receive(*stream_).status;
    if (received == io::IoStatus::kWouldBlock) continue;
    if (received == io::IoStatus::kEndOfStream && !lingering_) co_return sending_ended();
    if (received != io::IoStatus::kDone) break;
  }
  peer_left();
}

FastcgiConnection::Taken FastcgiConnection::take_events() {
  while (!full()) {
    const std::string_view bytes = input_.bytes();
    const Event event = session_.next(bytes, replies_);
    if (!replies_.empty()) output_.send(replies_);
    replies_.clear();
    if (event.kind == Event::kMalformed) {
      const char* reason = requests_ == 0 && looks_like_http(bytes) ? kHttpCame : event.reason;
      warn_of_foreigner(server_, local_, reason);
      if (session_.running() == 0) report_unspoken(server_, peer_, reason);
      report_heads(reason);
      return Taken::kBroken;
    }
    input_.consume(event.consumed);
    if (event.kind == Event::kNeedMore) {
      note_heads();
      if (session_.wants_close() && session_.running() == 0 && !closing_) {
        unread_ = true;  // what belongs to a request that was refused at its beginning
        tidy_later();
      }
      return Taken::kAll;
    }
    take(event);
  }
  return Taken::kFull;
}

FastcgiConnection::Taken FastcgiConnection::drop_input() {
  dropped_ += input_.bytes().size();
  input_.discard();
  return dropped_ > kMostLingering ? Taken::kBroken : Taken::kAll;
}

void FastcgiConnection::take(const Event& event) {
  if (event.kind == Event::kRequest) return begin(event.request_id);
  if (event.kind == Event::kRefused) return refuse_head(event);
  if (event.kind == Event::kTurnedAway) return report_unspoken(server_, peer_, event.reason);
  FastcgiExchange* exchange = find(event.request_id);
  if (exchange == nullptr) return;
  if (event.kind != Event::kAbort) return exchange->take(event);
  exchange->abort();
  tidy_later();
}

void FastcgiConnection::begin(uint16_t request_id) {
  heads_.forget(request_id);
  if (closing_ || cut_) return refuse(request_id);
  add(request_id).start();
}

FastcgiExchange& FastcgiConnection::add(uint16_t request_id) {
  ++requests_;
  auto& exchange = exchanges_[request_id];
  FastcgiExchangeOwner& owner = *this;
  exchange = std::make_unique<FastcgiExchange>(server_, owner, output_, session_, request_id, peer_, local_);
  return *exchange;
}

// What begins on a connection that is about to be closed could lose its answer; this one may be sent again elsewhere.
void FastcgiConnection::refuse(uint16_t request_id) {
  codec::fastcgi::append_end_request(output_.staged(), request_id, {0, codec::fastcgi::ProtocolStatus::kOverloaded});
  if (!peer_left_) output_.send();
  unread_ = true;
  session_.end_request(request_id);
  report_unspoken(server_, peer_, "it began on a connection that was about to be closed");
}

// The others go on, and so does the connection where it is kept.
void FastcgiConnection::refuse_head(const Event& event) {
  heads_.forget(event.request_id);
  if (closing_ || cut_) return refuse(event.request_id);
  add(event.request_id).start_refused(event.over_limit ? 431 : 400, event.reason);
}

// Whose variables will never be complete.
void FastcgiConnection::report_heads(const char* reason) {
  for (uint16_t request_id : session_.unfinished_heads()) {
    session_.end_request(request_id);
    report_unspoken(server_, peer_, reason);
  }
  heads_.clear();
}

void FastcgiConnection::note_heads() {
  if (session_.running() > exchanges_.size()) {
    heads_.note(session_, server_.loop.now());
  } else {
    heads_.clear();
  }
}

// The deadline is absolute, from BEGIN_REQUEST, whatever else runs (faults.md 69).
void FastcgiConnection::refuse_slow_heads() {
  for (uint16_t request_id : heads_.take_until(server_.loop.now() - server_.options.header_timeout)) {
    closing_ = true;
    session_.refuse_head(request_id);
    add(request_id).start_refused(408, "the variables took too long");
  }
}

FastcgiExchange* FastcgiConnection::find(uint16_t request_id) {
  const auto found = exchanges_.find(request_id);
  return found == exchanges_.end() ? nullptr : found->second.get();
}

// A request whose handler does not take its body holds up the others: FastCGI can stop none of them alone. Not for
// long: then it is spooled, where the peer may send others at all.
bool FastcgiConnection::full() const {
  return std::any_of(exchanges_.begin(), exchanges_.end(), [](const auto& entry) { return entry.second->full(); });
}

// Nobody's body is slow while nothing is read.
void FastcgiConnection::hold_up(bool held_up) {
  for (const auto& entry : exchanges_) entry.second->set_held_up(held_up);
  if (held_up) {
    held_up_.set(server_.loop.now() + kHeldUp);
  } else {
    held_up_.cancel();
  }
}

void FastcgiConnection::spill_what_is_full() {
  if (server_.options.spool == nullptr) return;
  bool spilled = false;
  for (const auto& [request_id, exchange] : exchanges_) {
    if (session_.keeps_connection(request_id) && exchange->spill_to(*server_.options.spool)) spilled = true;
  }
  if (spilled) tidy_later();
}

base::Instant FastcgiConnection::wait_until() {
  const base::Instant now = server_.loop.now();
  base::Instant until = now + kWhileRequestsRun;
  if (const auto began = heads_.first()) until = std::min(until, *began + server_.options.header_timeout);
  if (!exchanges_.empty() || !heads_.empty() || closing_) return until;
  if (!input_.empty()) {
    if (record_began_ == base::Instant{0}) record_began_ = now;
    return record_began_ + server_.options.header_timeout;
  }
  record_began_ = base::Instant{0};
  input_.release_memory();
  if (output_.pending() > 0) return now + server_.options.keepalive;
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
  return idle_ && !closed_ && output_.pending() == 0 && !stream_->readable_now();
}

base::Task<bool> FastcgiConnection::wait_until_below(size_t limit) {
  while (!output_.failed() && output_.pending() > limit) {
    if (drainer_.size() == 0) drainer_.start(drain(limit));
    if (output_.failed() || output_.pending() <= limit) break;
    RoomWait wait(*this, limit);
    co_await wait;
  }
  co_return !output_.failed();
}

base::Task<void> FastcgiConnection::drain(size_t limit) {
  do {
    auto waiting = output_.wait_until_below(limit);
    const bool well = co_await waiting;
    if (!well) peer_left();
    wake_those_with_room();
    limit = 0;
    for (const RoomWait* wait : waiting_for_room_) limit = std::max(limit, wait->limit);
  } while (!waiting_for_room_.empty());
}

// One after the other while there is room: whoever wrote waits behind the others then.
void FastcgiConnection::wake_those_with_room() {
  const auto has_room = [this](const RoomWait* wait) { return output_.failed() || output_.pending() <= wait->limit; };
  for (;;) {
    const auto first = std::find_if(waiting_for_room_.begin(), waiting_for_room_.end(), has_room);
    if (first == waiting_for_room_.end()) return;
    RoomWait* woken = *first;
    waiting_for_room_.erase(first);
    woken->wake();
  }
}

}  // namespace cutwater::serve
