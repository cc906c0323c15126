#include "serve/http_server.h"

#include <signal.h>

#include <algorithm>
#include <utility>

#include "serve/connection.h"
#include "serve/fastcgi_connection.h"
#include "serve/server_state.h"

namespace cutwater::serve {

namespace {

constexpr base::Duration kFirstRequestGrace = std::chrono::seconds(1);   // while draining
constexpr base::Duration kIdleBeforeEviction = std::chrono::seconds(1);  // when there are too many
constexpr base::Duration kLookForRoomEvery = std::chrono::milliseconds(100);
constexpr size_t kMostEvictedAtOnce = 64;

// Who speaks HTTP over the loopback is as often a client that waits for each answer.
io::Carrier carrier_of(Protocol protocol, const io::Address& peer, const io::Address& local) {
  if (local.is_unix) return io::Carrier::kUnix;
  const bool of_this_machine = peer.host.starts_with("127.") || peer.host == "::1";
  return of_this_machine && protocol != Protocol::kHttp ? io::Carrier::kTcpOfNeighbour : io::Carrier::kTcp;
}

}  // namespace

struct HttpServer::Impl final : io::TurnHook {
  Impl(io::Loop& loop, const ServeOptions& options, message::Handler& root, RequestFilter& filter,
       ExchangeObserver& observer, base::LogSink& log)
      : state(loop, options, root, filter, observer, log),
        grace_over(loop.timers(), [this] { close_idle(true); }),
        look_for_room(loop.timers(), [this] { make_room(); }) {
    loop.add_hook(*this);
  }
  ~Impl() override {
    state.loop.remove_hook(*this);
    close_all();
  }

  void accept(std::unique_ptr<io::Stream> stream, const io::Address& peer, const io::Address& local);
  bool end_of_turn() override;
  bool tell_of_hangups();
  void destroy_finished();
  void destroy(ServedConnection& connection);
  void close_idle(bool also_new);
  void close_all();
  void make_room();
  void set_full(bool now_full);
  void report_drained();

  static ServedConnection& connection_of(ConnectionLink& link) { return static_cast<ServedConnection&>(link); }

  ServerState state;
  size_t count = 0;
  bool full = false;
  std::function<void(bool)> on_full;
  std::function<void()> on_drained;
  io::Timer grace_over;
  io::Timer look_for_room;
};

void HttpServer::Impl::accept(std::unique_ptr<io::Stream> stream, const io::Address& peer, const io::Address& local) {
  ServedConnection* connection = nullptr;  // the lists own it: see destroy()
  if (state.options.protocol == Protocol::kFastcgi) {
    connection = new FastcgiConnection(state, std::move(stream), peer, local);
  } else {
    connection = new Connection(state, std::move(stream), peer, local);
  }
  ++count;
  connection->start();
  if (state.draining) grace_over.set(state.loop.now() + kFirstRequestGrace);
  if (count >= state.options.connections) make_room();
}

// Returns true when handlers were resumed: they may have given other hooks work.
bool HttpServer::Impl::end_of_turn() {
  const bool told = tell_of_hangups();
  destroy_finished();
  report_drained();
  return told;
}

bool HttpServer::Impl::tell_of_hangups() {
  if (state.hung_up.empty()) return false;
  bool told = false;
  std::vector<ServedConnection*> later;
  while (!state.hung_up.empty()) {
    ServedConnection* connection = state.hung_up.back();
    state.hung_up.pop_back();
    if (connection->tell_hangup()) {
      told = true;
    } else {
      later.push_back(connection);
    }
  }
  // One of these may have ended meanwhile: it lives until destroy_finished(), and takes itself out of hung_up
  // there.
  state.hung_up = std::move(later);
  return told;
}

void HttpServer::Impl::destroy_finished() {
  while (!state.finished.empty()) {
    ServedConnection* connection = state.finished.back();
    state.finished.pop_back();
    destroy(*connection);
  }
  if (full && count < state.options.connections) set_full(false);
}

void HttpServer::Impl::destroy(ServedConnection& connection) {
  delete &connection;
  --count;
}

void HttpServer::Impl::close_idle(bool also_new) {
  ConnectionLink* link = state.idle.next;
  while (link != &state.idle) {
    ServedConnection& connection = connection_of(*link);
    link = link->next;
    if (!also_new && connection.never_asked()) continue;
    if (connection.may_be_closed()) destroy(connection);
  }
  report_drained();
}

void HttpServer::Impl::close_all() {
  destroy_finished();
  for (ConnectionLink* list : {&state.idle, &state.busy}) {
    while (list->next != list) destroy(connection_of(*list->next));
  }
}

// The longest idle go first; a newcomer is worth more than a connection that may never be used again.
void HttpServer::Impl::make_room() {
  const base::Instant before = state.loop.now() - kIdleBeforeEviction;
  size_t evicted = 0;
  ConnectionLink* link = state.idle.next;
  while (link != &state.idle && evicted < kMostEvictedAtOnce) {
    ServedConnection& connection = connection_of(*link);
    link = link->next;
    if (connection.idle_since() > before) break;
    if (!connection.may_be_closed()) continue;
    destroy(connection);
    ++evicted;
  }
  set_full(count >= state.options.connections);
}

void HttpServer::Impl::set_full(bool now_full) {
  if (now_full) look_for_room.set(state.loop.now() + kLookForRoomEvery);
  if (std::exchange(full, now_full) != now_full && on_full) on_full(now_full);
}

void HttpServer::Impl::report_drained() {
  if (count == 0 && state.draining && on_drained) state.loop.post(std::exchange(on_drained, nullptr));
}

HttpServer::HttpServer(io::Loop& loop, const ServeOptions& options, message::Handler& root, RequestFilter& filter,
                       ExchangeObserver& observer, base::LogSink& log)
    : impl_(std::make_unique<Impl>(loop, options, root, filter, observer, log)) {
  signal(SIGPIPE, SIG_IGN);
}

HttpServer::~HttpServer() = default;

void HttpServer::accept(base::FileDescriptor socket, const io::Address& peer, const io::Address& local) {
  const io::Carrier carrier = carrier_of(impl_->state.options.protocol, peer, local);
  impl_->accept(io::make_socket_stream(impl_->state.loop, std::move(socket), io::Opened::kByPeer, carrier), peer,
                local);
}

void HttpServer::accept(std::unique_ptr<io::Stream> stream, const io::Address& peer, const io::Address& local) {
  impl_->accept(std::move(stream), peer, local);
}

void HttpServer::begin_drain() {
  impl_->state.draining = true;
}

void HttpServer::drain(std::function<void()> on_drained) {
  begin_drain();
  impl_->on_drained = std::move(on_drained);
  impl_->grace_over.set(impl_->state.loop.now() + kFirstRequestGrace);
  impl_->close_idle(false);
}

void HttpServer::close_all() {
  impl_->close_all();
}

void HttpServer::when_full(std::function<void(bool full)> on_full) {
  impl_->on_full = std::move(on_full);
}

size_t HttpServer::connections() const {
  return impl_->count;
}

bool HttpServer::draining() const {
  return impl_->state.draining;
}

}  // namespace cutwater::serve
