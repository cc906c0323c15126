#include "handler/gateway_connection.h"

#include <utility>

namespace cutwater::handler {

namespace {

// A kept connection may be closed by the server in the moment in which it is used. A request that must not be sent
// twice gets one only if it was used just now.
constexpr base::Duration kFreshEnough = std::chrono::seconds(1);

GatewayConnection share_of(std::unique_ptr<upstream::SharedRequest> request) {
  GatewayConnection connection;
  connection.shared = request.get();
  connection.is_kept = request->used_before();
  connection.opened = request->connection_shared_since();
  connection.stream = std::move(request);
  return connection;
}

base::Duration freshness_for(const ConnectionWish& wish) {
  return wish.harmless_twice ? base::Duration::max() : kFreshEnough;
}

// What ends in the moment in which it is used costs such a request a second try.
upstream::Pool::Silence silence_for(const ConnectionWish& wish) {
  return wish.harmless_twice ? upstream::Pool::Silence::kSinceLastTurn : upstream::Pool::Silence::kSure;
}

GatewayConnection take_kept(upstream::Peer& peer, const ConnectionWish& wish) {
  GatewayConnection connection;
  const base::Duration freshness = freshness_for(wish);
  const bool is_fastcgi = wish.protocol == GatewayProtocol::kFastcgi;
  if (is_fastcgi) {
    if (auto request = peer.multiplexing().take(freshness, wish.alone, peer.shares_since()))
      return share_of(std::move(request));
  }
  const bool may_repeat = wish.harmless_twice || (peer.pool().proven() && !peer.keeps_briefly());
  if (!is_fastcgi || (may_repeat && peer.keeps_connections())) {
    upstream::PooledConnection kept = peer.pool().take(freshness, silence_for(wish));
    connection.stream = std::move(kept.stream);
    connection.opened = kept.opened;
  }
  connection.is_kept = connection.stream != nullptr;
  return connection;
}

// Of many that begin at once each connects; those that are not the first share what that one has opened.
GatewayConnection share_new(upstream::Peer& peer, GatewayConnection connection, const ConnectionWish& wish) {
  if (wish.protocol != GatewayProtocol::kFastcgi || !connection.stream) return connection;
  if (!wish.only_fresh) {
    auto place = peer.multiplexing().take(freshness_for(wish), wish.alone, peer.shares_since());
    if (place) return share_of(std::move(place));
  }
  auto request = peer.multiplexing().share(connection.stream, wish.alone);
  return request ? share_of(std::move(request)) : std::move(connection);
}

GatewayConnection connection_of(upstream::Connected connected) {
  GatewayConnection connection;
  connection.opened = connected.opened;
  connection.stream = std::move(connected.stream);
  connection.error = connected.error;
  return connection;
}

}  // namespace

GatewayConnection start_connecting(upstream::Peer& peer, const ConnectionWish& wish) {
  if (!wish.only_fresh) {
    GatewayConnection kept = take_kept(peer, wish);
    if (kept.stream) return kept;
  }
  // Where one may hold all the processes there are, those that cannot be used must not.
  if (wish.protocol == GatewayProtocol::kFastcgi) peer.close_idle();
  GatewayConnection begun = connection_of(peer.start_connecting());
  return begun.in_progress() ? std::move(begun) : share_new(peer, std::move(begun), wish);
}

base::Task<GatewayConnection> finish_connecting(upstream::Peer& peer, GatewayConnection begun, ConnectionWish wish) {
  auto finishing = upstream::finish_connecting({std::move(begun.stream), begun.error, begun.opened}, wish.deadline);
  upstream::Connected connected = co_await finishing;
  co_return share_new(peer, connection_of(std::move(connected)), wish);
}

void keep_connection(upstream::Peer& peer, GatewayProtocol protocol, GatewayConnection& connection) {
  if (connection.shared) return connection.shared->let_end();
  upstream::PooledConnection kept{std::move(connection.stream), connection.opened, connection.is_kept};
  if (protocol != GatewayProtocol::kFastcgi) {
    peer.pool().keep(std::move(kept));
  } else if (peer.keeps_briefly()) {
    peer.keep_alone(std::move(kept));
  } else {
    peer.multiplexing().keep(std::move(kept));
  }
}

}  // namespace cutwater::handler
