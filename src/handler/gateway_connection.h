// GatewayConnection: what a request is sent on: a connection of its own, kept or new, or a place on one that it shares.
#pragma once

#include <memory>

#include "base/clock.h"
#include "base/task.h"
#include "handler/gateway_protocol.h"
#include "io/stream.h"
#include "upstream/peer.h"
#include "upstream/shared_request.h"

namespace cutwater::handler {

struct GatewayConnection {
  std::unique_ptr<io::Stream> stream;         // nullptr: `error` says why
  upstream::SharedRequest* shared = nullptr;  // the stream, if it is one
  bool is_kept = false;                       // the server has answered another request on it
  base::Instant opened{};
  int error = 0;

  // As of upstream::Connected.
  bool in_progress() const { return stream && error != 0; }
  // The connection broke, and with it every request on it.
  bool broke_for_all() const { return shared && shared->broke(); }
  // Likewise, and another one of them may be the cause.
  bool broke_beside_others() const { return broke_for_all() && shared->had_company(); }
};

struct ConnectionWish {
  GatewayProtocol protocol;
  bool harmless_twice;  // the request may be sent again on another connection
  bool only_fresh;      // no kept one
  bool alone;           // nobody shares the connection while it runs
  base::Instant deadline;
};
// A kept connection, or what is known of a new one at once; with in_progress() finish_connecting() waits for it.
GatewayConnection start_connecting(upstream::Peer& peer, const ConnectionWish& wish);
// `peer` outlives the task.
base::Task<GatewayConnection> finish_connecting(upstream::Peer& peer, GatewayConnection begun, ConnectionWish wish);

// The answer is complete on a connection that takes another request; or it has all that matters, on a shared one.
void keep_connection(upstream::Peer& peer, GatewayProtocol protocol, GatewayConnection& connection);

}  // namespace cutwater::handler
