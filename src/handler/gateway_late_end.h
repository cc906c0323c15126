// GatewayLateEnd: a FastCGI program that goes on working when its client has all of the answer (PHP does, behind a page
// that has sent its Content-Length and flushed). Its connection stays open until it says that this was all, since it
// may be ended by a closed one; but the client, and what it asks next, waits for it no more.
#pragma once

#include <memory>
#include <string>

#include "base/clock.h"
#include "base/task.h"
#include "handler/gateway_connection.h"
#include "handler/pooled_process.h"
#include "upstream/call.h"
#include "upstream/peer.h"

namespace cutwater::handler {

class Gateway;

struct GatewayLateEnd {
  GatewayConnection connection;
  std::unique_ptr<upstream::CallRest> rest;
  std::unique_ptr<upstream::PeerUse> use;
  std::shared_ptr<PooledProcess> process;  // which runs it, if that is one of a pool
  bool keeps;                              // the server was told that the connection stays
  std::string method;
  std::string path;
  uint64_t request_id;
};

// For so many requests of a gateway at once; what is more has its connection closed.
inline constexpr size_t kMostLateEnds = 256;

// `gateway` outlives the task.
base::Task<void> await_late_end(Gateway& gateway, std::unique_ptr<GatewayLateEnd> late);

}  // namespace cutwater::handler
