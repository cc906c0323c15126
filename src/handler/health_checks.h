// HealthChecks: asks each server of an upstream now and then whether it is well, in the protocol it speaks, and keeps
// requests from those that are not until they are again.
#pragma once

#include <memory>
#include <set>
#include <string>

#include "base/log.h"
#include "base/task.h"
#include "handler/gateway_protocol.h"
#include "io/loop.h"
#include "io/timer.h"
#include "upstream/peer_group.h"

namespace cutwater::handler {

struct HealthCheckOptions {
  GatewayProtocol protocol = GatewayProtocol::kHttp;
  std::string path = {};                           // asked with GET; a status from 200 to 399 passes
  std::string root = {};                           // of scripts: the path is one below it. "": the server knows
  base::Duration every = std::chrono::seconds(5);  // and longest time a server may take
  unsigned fails = 2;                              // in a row, until it gets no requests
};

class HealthChecks {
 public:
  // The others outlive the checks.
  HealthChecks(HealthCheckOptions options, upstream::PeerGroup& group, io::Loop& loop, base::LogSink& log);

 private:
  void ask_all();
  base::Task<void> check(std::shared_ptr<upstream::Peer> peer);
  // What is wrong with it; "" is nothing.
  base::Task<std::string> ask(upstream::Peer& peer);
  void note(upstream::Peer& peer, const std::string& problem);
  std::string head_for(const upstream::Peer& peer) const;

  HealthCheckOptions options_;
  upstream::CallOptions call_options_;
  upstream::PeerGroup& group_;
  io::Loop& loop_;
  base::LogSink& log_;
  std::set<const upstream::Peer*> asked_;  // those that have not answered yet
  io::Timer next_;
  base::TaskSet checks_;
};

}  // namespace cutwater::handler
