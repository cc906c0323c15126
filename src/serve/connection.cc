#include "serve/connection.h"

#include <utility>

namespace cutwater::serve {

namespace {

constexpr int kRequestsInARow = 32;  // pipelined ones, before other connections have their turn
constexpr base::Duration kLingerTime = std::chrono::seconds(5);
constexpr base::Duration kLingerTimeDraining = std::chrono::seconds(1);
constexpr uint64_t kMostLingering = 64 * 1024 * 1024;

}  // namespace

Connection::Connection(ServerState& server, std::unique_ptr<io::Stream> stream, const io::Address& peer,
                       const io::Address& local)
    : server_(server),
      stream_(std::move(stream)),
      input_(server.receive_buffer),
      pace_(*stream_, server.options),
      peer_(peer),
      local_(local) {
  stream_->listen_for_hangup(this);
  stream_->read_with_others();
  append_to(server_.busy);
}

Connection::~Connection() {
  unlink();
  std::erase(server_.hung_up, this);
}

base::Task<void> Connection::run() {
  Ending ending = Ending::kKeepAlive;
  int in_a_row = 0;
  const ClientSide client{*stream_, input_, pace_, peer_, local_};
  while (ending == Ending::kKeepAlive) {
    if (input_.empty()) {
      in_a_row = 0;
      if (server_.draining && !never_asked() && !stream_->readable_now()) break;
      const base::Instant deadline = enter_idle();
      const io::WaitResult waited = co_await stream_->readable(deadline);
      leave_idle();
      if (waited == io::WaitResult::kTimedOut) break;
      const io::IoStatus received = input_.receive(*stream_).status;
      if (received == io::IoStatus::kWouldBlock) continue;
      if (received != io::IoStatus::kDone) break;
    } else if (++in_a_row % kRequestsInARow == 0) {
      // The others have their turn, and a client that reads nothing gets no more until it does: the kernel goes on
      // taking small answers for megabytes after it has said that it is full.
      auto waiting = pace_.wait_writable(server_.loop);
      const bool takes_more = co_await waiting;
      if (!takes_more) {
        ending = Ending::kReset;
        break;
      }
      pace_.rest();
    }
    {
      auto serving = ActiveExchange::run(server_, client, exchange_);
      ending = co_await serving;
    }
    if (std::exchange(hangup_waits_, false)) std::erase(server_.hung_up, this);
    ++requests_;
  }
  if (ending == Ending::kLinger) {
    auto lingering = linger();
    co_await lingering;
  }
  end(ending);
}

// Lingering close (RFC 9112 section 9.6): FIN first, and what still comes is dropped, so that no reset
// overtakes the answer. Bounded in time and bytes.
base::Task<void> Connection::linger() {
  input_.discard();
  stream_->shutdown_write();
  const base::Instant deadline = server_.loop.now() + (server_.draining ? kLingerTimeDraining : kLingerTime);
  uint64_t dropped = 0;
  while (dropped < kMostLingering) {
    if (co_await stream_->readable(deadline) == io::WaitResult::kTimedOut) co_return;
    const io::IoResult received = input_.receive(*stream_);
    if (received.status == io::IoStatus::kWouldBlock) continue;
    if (received.status != io::IoStatus::kDone) co_return;
    dropped += received.count;
    input_.discard();
  }
}

// The socket closes now; this object ends at the end of the turn, when nothing on the stack belongs to it.
void Connection::end(Ending ending) {
  if (ending == Ending::kReset) stream_->reset_on_close();
  stream_.reset();
  server_.finished.push_back(this);
  server_.loop.run_hooks_again();
}

bool Connection::may_be_closed() const {
  return idle_ && !stream_->readable_now();
}

base::Instant Connection::enter_idle() {
  input_.release_memory();
  idle_ = true;
  idle_since_ = server_.loop.now();
  unlink();
  append_to(server_.idle);
  return idle_since_ + server_.options.keepalive;
}

void Connection::leave_idle() {
  idle_ = false;
  unlink();
  append_to(server_.busy);
}

void Connection::on_hangup(io::Hangup kind) {
  if (!exchange_) return;
  exchange_->peer_hung_up();
  gone_for_good_ = kind == io::Hangup::kGone;
  if (std::exchange(hangup_waits_, true)) return;
  server_.hung_up.push_back(this);
  server_.loop.run_hooks_again();
}

bool Connection::tell_hangup() {
  message::ClientGoneListener* listener = exchange_ ? exchange_->gone_listener() : nullptr;
  if (exchange_ && !listener) return false;
  hangup_waits_ = false;
  if (!listener || listener->on_client_gone(gone_for_good_)) return true;
  hangup_waits_ = true;
  return false;
}

}  // namespace cutwater::serve
