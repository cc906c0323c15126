// FrontGates: the listening sockets and the HTTP servers behind them. Listeners that speak the same protocol and trust
// the same proxies share a server, since a server has one filter for what a request may say about where it comes from.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "app/peer_trust.h"
#include "base/file_descriptor.h"
#include "base/result.h"
#include "config/model.h"
#include "handler/forgotten_proxy.h"
#include "handler/forwarded.h"
#include "handler/rate_limited_log.h"
#include "io/listener.h"
#include "io/loop.h"
#include "serve/http_server.h"

namespace cutwater::app {

struct GateServices {
  io::Loop& loop;
  message::Handler& root;
  serve::ExchangeObserver& observer;
  base::LogSink& log;
  serve::ServeOptions options;
};

class FrontGates {
 public:
  explicit FrontGates(base::LogSink& log) : turned_away_(log) {}
  // `sockets` in the order of `listens`; the services outlive the gates.
  static base::Result<std::unique_ptr<FrontGates>> open(const std::vector<config::Listen>& listens,
                                                        std::vector<base::FileDescriptor> sockets,
                                                        const GateServices& services);

  // Held gates leave newcomers in the kernel's backlog until they are admitted.
  void hold();
  void admit();
  // Takes what the kernel has accepted already, as far as there is room, then nothing more; `on_drained` once all
  // requests are answered.
  void drain(std::function<void()> on_drained);
  void close_all();

 private:
  // A listener: its connections refer to the address.
  struct Door {
    io::Address address;
    size_t most_waiting = 0;           // in the kernel's queue
    std::unique_ptr<PeerTrust> trust;  // nullptr: HTTP, for everybody
  };
  struct Gate {
    std::string protocol;
    std::vector<std::string> trusted;
    std::vector<std::unique_ptr<Door>> doors;
    std::unique_ptr<handler::ForgottenProxyHint> hint;
    std::unique_ptr<handler::ForwardedFilter> filter;
    std::unique_ptr<serve::HttpServer> server;
    std::vector<std::unique_ptr<io::Listener>> listeners;
  };
  base::Result<Gate*> gate_for(const config::Listen& listen, const GateServices& services);
  bool admits(const Door& door, int socket, const io::Address& peer, base::Instant now);

  handler::RateLimitedLog turned_away_;
  std::vector<std::unique_ptr<Gate>> gates_;
  size_t draining_ = 0;
  bool held_ = false;
};

serve::ServeOptions serve_options(const config::Limits& limits);

}  // namespace cutwater::app
