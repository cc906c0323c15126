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
    if (auto request = peer.multiplexing().take(freshness, wish.has_upload)) return share_of(std::move(request));
  }
  if (wish.harmless_twice || !is_fastcgi || peer.pool().proven()) {
    connection.stream = peer.pool().take(freshness, silence_for(wish));
  }
  connection.is_kept = connection.stream != nullptr;
  return connection;
}

}  // namespace

base::Task<GatewayConnection> connect_for(upstream::Peer& peer, const ConnectionWish& wish) {
  GatewayConnection connection;
  if (!wish.only_fresh) connection = take_kept(peer, wish);
  if (connection.stream) co_return connection;
  const bool is_fastcgi = wish.protocol == GatewayProtocol::kFastcgi;
  // Where one may hold all the processes there are, those that cannot be used must not.
  if (is_fastcgi) peer.pool().close_all();
  auto connecting = peer.connect(wish.deadline);
  upstream::Connected connected = co_await connecting;
  connection.stream = std::move(connected.stream);
  connection.error = connected.error;
  if (!is_fastcgi || !connection.stream) co_return connection;
  // Of many that begin at once each connects; those that are not the first share what that one has opened.
  if (!wish.only_fresh) {
    auto place = peer.multiplexing().take(freshness_for(wish), wish.has_upload);
    if (place) co_return share_of(std::move(place));
  }
  auto request = peer.multiplexing().share(connection.stream, wish.has_upload);
  if (request) connection = share_of(std::move(request));
  co_return connection;
}

void keep_connection(upstream::Peer& peer, GatewayProtocol protocol, GatewayConnection& connection) {
  if (connection.shared) return connection.shared->let_end();
  if (protocol == GatewayProtocol::kFastcgi) {
    peer.multiplexing().keep(std::move(connection.stream), connection.is_kept);
  } else {
    peer.pool().keep(std::move(connection.stream), connection.is_kept);
  }
}

}  // namespace cutwater::handler
