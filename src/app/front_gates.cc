#include "app/front_gates.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>

namespace cutwater::app {

serve::ServeOptions serve_options(const config::Limits& limits) {
  serve::ServeOptions options;
  options.head.total = limits.header;
  const size_t one_line = std::min<size_t>(limits.header, std::max<size_t>(options.head.field, limits.header / 2));
  options.head.request_line = options.head.field = one_line;
  options.head.fields = limits.header_count;
  options.head.only_plain_names = limits.header_names == "refuse";
  options.body_limit = limits.body;
  options.header_timeout = limits.header_timeout;
  options.keepalive = limits.keepalive;
  options.body_min_rate = limits.body_min_rate;
  options.connections = limits.connections;
  return options;
}

namespace {

serve::Protocol protocol_of(const config::Listen& listen) {
  if (listen.protocol == "uwsgi") return serve::Protocol::kUwsgi;
  if (listen.protocol == "scgi") return serve::Protocol::kScgi;
  return listen.protocol == "fastcgi" ? serve::Protocol::kFastcgi : serve::Protocol::kHttp;
}

}  // namespace

base::Result<std::unique_ptr<FrontGates>> FrontGates::open(const std::vector<config::Listen>& listens,
                                                           std::vector<base::FileDescriptor> sockets,
                                                           const GateServices& services) {
  if (listens.size() != sockets.size()) return base::Error{"listening sockets and settings differ in number"};
  auto gates = std::make_unique<FrontGates>(services.log);
  for (size_t i = 0; i < listens.size(); ++i) {
    auto found = gates->gate_for(listens[i], services);
    if (!found) return found.error();
    Gate& gate = **found;
    Door& door = *gate.doors.emplace_back(std::make_unique<Door>());
    door.most_waiting = static_cast<size_t>(listens[i].backlog) + 1;
    if (listens[i].protocol != "http") {
      auto trust = PeerTrust::make(listens[i], geteuid(), getenv("FCGI_WEB_SERVER_ADDRS"));
      if (!trust) return trust.error();
      door.trust = std::make_unique<PeerTrust>(std::move(*trust));
    }
    gate.listeners.push_back(
        std::make_unique<io::Listener>(services.loop, std::move(sockets[i]), services.log,
                                       [gates = gates.get(), server = gate.server.get(), &door, &loop = services.loop](
                                           base::FileDescriptor socket, const io::Address& peer) {
                                         if (gates->admits(door, socket.get(), peer, loop.now()))
                                           server->accept(std::move(socket), peer, door.address);
                                       }));
    door.address = gate.listeners.back()->local_address();
  }
  return gates;
}

bool FrontGates::admits(const Door& door, int socket, const io::Address& peer, base::Instant now) {
  if (!door.trust || door.trust->admits(socket, peer)) return true;
  const std::string listener = io::to_text(door.address);
  const bool is_due = turned_away_.is_due("CW0407", now, listener);
  const std::string setting = door.trust->list_for(peer);
  turned_away_.write(base::Severity::kWarning, "CW0407",
                     "listen " + listener + ": closed a connection of " +
                         (is_due ? PeerTrust::name_of(socket, peer) : "") + ", which " + setting +
                         " does not name\nfix: if that is "
                         "your web server, add it to " +
                         setting,
                     now, listener);
  return false;
}

base::Result<FrontGates::Gate*> FrontGates::gate_for(const config::Listen& listen, const GateServices& services) {
  for (auto& gate : gates_) {
    if (gate->trusted == listen.trusted_proxies && gate->protocol == listen.protocol) return gate.get();
  }
  auto networks = handler::TrustedNetworks::parse(listen.trusted_proxies);
  if (!networks) return base::Error{"trusted_proxies: " + networks.error().message};
  Gate& gate = *gates_.emplace_back(std::make_unique<Gate>());
  gate.protocol = listen.protocol;
  gate.trusted = listen.trusted_proxies;
  serve::ServeOptions options = services.options;
  options.protocol = protocol_of(listen);
  const auto unbelieved =
      options.protocol == serve::Protocol::kHttp ? handler::Unbelieved::kRemoved : handler::Unbelieved::kHandedOn;
  gate.hint = std::make_unique<handler::ForgottenProxyHint>(services.log, listen.trusted_proxies, unbelieved);
  gate.filter = std::make_unique<handler::ForwardedFilter>(std::move(*networks), unbelieved, gate.hint.get());
  gate.server = std::make_unique<serve::HttpServer>(services.loop, options, services.root, *gate.filter,
                                                    services.observer, services.log);
  gate.server->when_full([&gate](bool full) {
    for (auto& listener : gate.listeners) full ? listener->pause() : listener->resume();
  });
  return &gate;
}

void FrontGates::hold() {
  held_ = true;
  for (auto& gate : gates_) {
    for (auto& listener : gate->listeners) listener->pause();
  }
}

void FrontGates::admit() {
  held_ = false;
  for (auto& gate : gates_) {
    for (auto& listener : gate->listeners) listener->resume();
  }
}

void FrontGates::drain(std::function<void()> on_drained) {
  if (held_) admit();
  draining_ = gates_.size();
  auto one_less = [this, on_drained = std::move(on_drained)] {
    if (--draining_ == 0) on_drained();
  };
  for (auto& gate : gates_) {
    gate->server->begin_drain();
    for (size_t i = 0; i < gate->listeners.size(); ++i) gate->listeners[i]->take_waiting(gate->doors[i]->most_waiting);
    gate->listeners.clear();
    gate->server->drain(one_less);
  }
}

void FrontGates::close_all() {
  for (auto& gate : gates_) {
    gate->listeners.clear();
    gate->server->close_all();
  }
}

}  // namespace cutwater::app
