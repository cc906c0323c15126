#include "app/front_gates.h"

#include <algorithm>

namespace cutwater::app {

serve::ServeOptions serve_options(const config::Limits& limits) {
  serve::ServeOptions options;
  options.head.total = limits.header;
  options.head.request_line = std::min<size_t>(options.head.request_line, limits.header);
  options.head.field = std::min<size_t>(options.head.field, limits.header);
  options.head.fields = limits.header_count;
  options.body_limit = limits.body;
  options.header_timeout = limits.header_timeout;
  options.keepalive = limits.keepalive;
  options.body_min_rate = limits.body_min_rate;
  options.connections = limits.connections;
  return options;
}

base::Result<std::unique_ptr<FrontGates>> FrontGates::open(const std::vector<config::Listen>& listens,
                                                           std::vector<base::FileDescriptor> sockets,
                                                           const GateServices& services) {
  if (listens.size() != sockets.size()) return base::Error{"listening sockets and settings differ in number"};
  auto gates = std::make_unique<FrontGates>();
  for (size_t i = 0; i < listens.size(); ++i) {
    auto found = gates->gate_for(listens[i].trusted_proxies, services);
    if (!found) return found.error();
    Gate& gate = **found;
    auto& local = *gate.addresses.emplace_back(std::make_unique<io::Address>());
    gate.listeners.push_back(std::make_unique<io::Listener>(
        services.loop, std::move(sockets[i]), services.log,
        [server = gate.server.get(), &local](base::FileDescriptor socket, const io::Address& peer) {
          server->accept(std::move(socket), peer, local);
        }));
    local = gate.listeners.back()->local_address();
  }
  return gates;
}

base::Result<FrontGates::Gate*> FrontGates::gate_for(const std::vector<std::string>& trusted,
                                                     const GateServices& services) {
  for (auto& gate : gates_) {
    if (gate->trusted == trusted) return gate.get();
  }
  auto networks = handler::TrustedNetworks::parse(trusted);
  if (!networks) return base::Error{"trusted_proxies: " + networks.error().message};
  Gate& gate = *gates_.emplace_back(std::make_unique<Gate>());
  gate.trusted = trusted;
  gate.filter = std::make_unique<handler::ForwardedFilter>(std::move(*networks));
  gate.server = std::make_unique<serve::HttpServer>(services.loop, services.options, services.root, *gate.filter,
                                                    services.observer, services.log);
  gate.server->when_full([&gate](bool full) {
    for (auto& listener : gate.listeners) full ? listener->pause() : listener->resume();
  });
  return &gate;
}

void FrontGates::hold() {
  for (auto& gate : gates_) {
    for (auto& listener : gate->listeners) listener->pause();
  }
}

void FrontGates::admit() {
  for (auto& gate : gates_) {
    for (auto& listener : gate->listeners) listener->resume();
  }
}

void FrontGates::drain(std::function<void()> on_drained) {
  draining_ = gates_.size();
  auto one_less = [this, on_drained = std::move(on_drained)] {
    if (--draining_ == 0) on_drained();
  };
  for (auto& gate : gates_) {
    for (auto& listener : gate->listeners) listener->on_events(EPOLLIN);
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
