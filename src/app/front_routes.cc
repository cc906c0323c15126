#include "app/front_routes.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "app/master_fronts.h"
#include "config/detect_scripts.h"
#include "config/route_pattern.h"
#include "handler/error_pages.h"

namespace cutwater::app {

namespace {

upstream::Balance balance_of(const std::string& word) {
  if (word == "round_robin") return upstream::Balance::kRoundRobin;
  return word == "ip_hash" ? upstream::Balance::kIpHash : upstream::Balance::kLeastBusy;
}

handler::GatewayProtocol protocol_of(const std::string& word) {
  if (word == "fastcgi") return handler::GatewayProtocol::kFastcgi;
  if (word == "scgi") return handler::GatewayProtocol::kScgi;
  return word == "uwsgi" ? handler::GatewayProtocol::kUwsgi : handler::GatewayProtocol::kHttp;
}

constexpr std::string_view kRetryAfter = "10";
// Of a connection to a FastCGI server: beside a page that takes longer, another connection costs nothing.
constexpr base::Duration kBriefLife = std::chrono::milliseconds(50);

class Unavailable final : public message::Handler {
 public:
  base::Task<void> handle(message::Exchange& exchange) override {
    return handler::answer_error(exchange, 503, "Retry-After", kRetryAfter);
  }
};

class LetsNobodyPass final : public handler::Guard {
 public:
  base::Task<void> pass(message::Exchange& exchange, message::Handler&) override {
    return handler::answer_error(exchange, 503, "Retry-After", kRetryAfter);
  }
};

}  // namespace

std::string make_instance_name() {
  return fmt::format("cutwater-{:08x}", std::random_device()());
}

void FrontRoutes::add(const config::Config& config, std::vector<base::FileDescriptor> static_roots, FrontApps& apps,
                      size_t most_kept) {
  size_t servers = 0;
  for (const config::Upstream& upstream : config.upstreams) servers += upstream.servers.size();
  most_kept_each_ = most_kept / std::max<size_t>(1, servers);
  for (base::FileDescriptor& root : static_roots) {
    roots_.push_back(root.valid() ? std::make_shared<handler::RootFolder>(std::move(root)) : nullptr);
  }
  followed_.watch(route_folders(config), roots_, services_.tells);
  next_script_root_ = config.static_routes.size();
  note_scripts(config);
  apps.never_send(scripts_);
  for (const config::Route& route : config.routes) {
    message::Handler* handler = handler_of(route, config, apps);
    handler::Guard* guard = guard_of(route, config);
    if (guard && !handler) {
      stand_ins_.push_back(std::make_unique<Unavailable>());
      handler = stand_ins_.back().get();
    }
    if (handler) services_.router.add_route({route.path, route.exact}, *handler, guard);
  }
  for (const config::App& app : config.apps) {
    auto files = named_files_of("app " + app.name, app.sendfile);
    if (files) apps.send_named(app.name, std::move(files));
  }
}

size_t FrontRoutes::late_ends() const {
  return std::accumulate(gateways_.begin(), gateways_.end(), size_t{0},
                         [](size_t sum, const auto& gateway) { return sum + gateway->late_ends(); });
}

// Where every file of a folder is a script, none below it is ever sent; else those with the endings are not.
void FrontRoutes::note_scripts(const config::Config& config) {
  next_named_root_ = next_script_root_;
  scripts_.roots = followed_.scripts_alone();
  scripts_.endings = config.never_sent;
  scripts_.copies = config.never_sent;
  for (const config::Route& route : config.routes) {
    if (!has_scripts(route)) continue;
    ++next_named_root_;
    if (route.kind == config::Route::Kind::kProxy) {
      scripts_.endings.push_back(route.proxy.split);
      continue;
    }
    const config::CgiRoute& cgi = route.cgi;
    scripts_.endings.insert(scripts_.endings.end(), cgi.suffixes.begin(), cgi.suffixes.end());
    for (const auto& [ending, interpreter] : cgi.interpreters) scripts_.endings.push_back(ending);
  }
}

handler::Onward onward_of(const config::Route& route) {
  using Kind = config::Route::Kind;
  if (route.kind == Kind::kCgi) return handler::Onward::kScript;
  if (route.kind != Kind::kProxy) return handler::Onward::kAll;
  return route.proxy.protocol == "http" ? handler::Onward::kFields : handler::Onward::kVariables;
}

// nullptr: everybody may pass.
handler::Guard* FrontRoutes::guard_of(const config::Route& route, const config::Config& config) {
  if (!route.auth) return nullptr;
  handler::Gateway* gateway = gateway_to(*route.auth, config, nullptr, codec::fastcgi::Role::kAuthorizer);
  if (gateway) {
    guards_.push_back(
        std::make_unique<handler::Authorizer>(*gateway, services_.log, onward_of(route), route.auth->variables));
  } else {
    guards_.push_back(std::make_unique<LetsNobodyPass>());
  }
  return guards_.back().get();
}

message::Handler* FrontRoutes::handler_of(const config::Route& route, const config::Config& config, FrontApps& apps) {
  switch (route.kind) {
    case config::Route::Kind::kApp:
      return &apps.route_to(route.app);
    case config::Route::Kind::kStatic: {
      if (!root(route.static_route)) return nullptr;
      const config::StaticRoute& folder = config.static_routes[route.static_route];
      folders_.push_back(std::make_unique<handler::StaticFiles>(
          root(route.static_route), handler::StaticOptions{folder.prefix, folder.index, folder.cache, scripts_},
          services_.loop, services_.offload, services_.log));
      if (route.filter) {
        handler::Gateway* filter = gateway_to(*route.filter, config, nullptr, codec::fastcgi::Role::kFilter);
        if (!filter) return nullptr;
        folders_.back()->filter_with(*filter);
      }
      return folders_.back().get();
    }
    case config::Route::Kind::kCgi:
      return cgi_of(route, config);
    case config::Route::Kind::kProxy:
      break;
  }
  const std::string who = route.proxy.pool.empty() ? "upstream " + route.proxy.upstream : "pool " + route.proxy.pool;
  auto files = named_files_of(who, route.proxy.sendfile);
  std::unique_ptr<handler::ScriptFolder> scripts;
  handler::StaticFiles* beside = nullptr;
  if (has_scripts(route)) {
    const config::ProxyRoute& proxy = route.proxy;
    if (proxy.files == "true") beside = files_beside(proxy.strip);
    handler::ScriptOptions options{proxy.root,     proxy.index, {proxy.split}, proxy.strip,    beside != nullptr,
                                   proxy.fallback, false,       proxy.closed,  proxy.never_run};
    options.real_root = proxy.real_root == "true";
    scripts = scripts_of(std::move(options));
    if (!scripts) return nullptr;
  }
  handler::Gateway* gateway = gateway_to(route.proxy, config, std::move(scripts), codec::fastcgi::Role::kResponder);
  if (!gateway) return nullptr;
  gateway->send_named(std::move(files));
  gateway->redirect_within(services_.router);
  if (beside) gateway->send_files(*beside);
  return gateway;
}

std::unique_ptr<handler::NamedFiles> FrontRoutes::named_files_of(const std::string& owner,
                                                                 const config::FolderMap& folders) {
  std::vector<handler::NamedFolder> opened;
  for (const auto& [prefix, path] : folders) {
    const size_t number = next_named_root_++;
    if (root(number)) opened.push_back({prefix, path, root(number)});
  }
  if (opened.empty()) return nullptr;
  return std::make_unique<handler::NamedFiles>(owner, std::move(opened), services_.loop, services_.offload,
                                               services_.log);
}

handler::Gateway* FrontRoutes::gateway_to(const config::ProxyRoute& route, const config::Config& config,
                                          std::unique_ptr<handler::ScriptFolder> scripts, codec::fastcgi::Role role) {
  handler::GatewayOptions options;
  options.protocol = protocol_of(route.protocol);
  options.role = role;
  options.buffer = route.buffer == "true";
  options.strip = route.strip;
  options.instance = services_.instance;
  options.timeout = route.timeout;
  options.connect_timeout = route.connect_timeout;
  options.tunnel_timeout = route.tunnel_timeout;
  options.retries = route.retries;
  if (handler::GatewayPool* pool = services_.pools.find(route.pool)) {
    auto& nobody = groups_[{"pool", route.pool}];
    if (!nobody) nobody = std::make_unique<upstream::PeerGroup>(route.pool, upstream::Balance::kLeastBusy);
    handler::Gateway* gateway = gateway_for(std::move(options), *nobody, std::move(scripts));
    gateway->run_in(*pool);
    return gateway;
  }
  for (const config::Upstream& upstream : config.upstreams) {
    if (upstream.name != route.upstream) continue;
    return gateway_for(std::move(options), group_of(route, upstream), std::move(scripts));
  }
  return nullptr;
}

handler::Gateway* FrontRoutes::gateway_for(handler::GatewayOptions options, upstream::PeerGroup& group,
                                           std::unique_ptr<handler::ScriptFolder> scripts) {
  gateways_.push_back(std::make_unique<handler::Gateway>(std::move(options), group, services_.loop, services_.spool,
                                                         services_.log, std::move(scripts)));
  return gateways_.back().get();
}

// The folder of the scripts once more.
handler::StaticFiles* FrontRoutes::files_beside(const std::string& strip) {
  if (!root(next_script_root_)) return nullptr;
  folders_.push_back(std::make_unique<handler::StaticFiles>(
      root(next_script_root_), handler::StaticOptions{strip + "/", "index.html", std::nullopt, scripts_},
      services_.loop, services_.offload, services_.log));
  return folders_.back().get();
}

// Its number counts also where its folder cannot be opened.
message::Handler* FrontRoutes::cgi_of(const config::Route& route, const config::Config& config) {
  const config::CgiRoute& cgi = route.cgi;
  handler::CgiOptions options;
  options.who = "cgi " + pattern_of(route);
  options.entry = next_cgi_++;
  options.nph = cgi.nph == "true";
  options.timeout = cgi.timeout;
  options.most = std::max<size_t>(1, cgi.most / front_count(config));
  options.queue = cgi.queue;
  options.queue_timeout = cgi.queue_timeout;
  handler::StaticFiles* beside = cgi.files == "true" ? files_beside(cgi.strip) : nullptr;
  auto scripts = scripts_of({cgi.root, cgi.index, cgi.suffixes, cgi.strip, beside != nullptr, "", true, {}});
  if (!scripts) return nullptr;
  cgis_.push_back(std::make_unique<handler::Cgi>(std::move(options), std::move(scripts), services_.runner,
                                                 services_.loop, services_.spool, services_.log));
  cgis_.back()->redirect_within(services_.router);
  if (beside) cgis_.back()->send_files(*beside);
  return cgis_.back().get();
}

std::unique_ptr<handler::ScriptFolder> FrontRoutes::scripts_of(handler::ScriptOptions options) {
  if (options.files) options.never_sent = config::never_sent_endings();
  const size_t number = next_script_root_++;
  if (!root(number)) return nullptr;
  return std::make_unique<handler::ScriptFolder>(root(number), std::move(options), services_.offload, services_.loop);
}

// Routes to one upstream share its connections and what is known of its servers, if they speak one protocol with it.
upstream::PeerGroup& FrontRoutes::group_of(const config::ProxyRoute& route, const config::Upstream& upstream) {
  const std::string& protocol = route.protocol;
  auto& group = groups_[{protocol, upstream.name}];
  if (group) return *group;
  group = std::make_unique<upstream::PeerGroup>(upstream.name, balance_of(upstream.balance));
  names_.push_back(std::make_unique<handler::ServerNames>(*group, services_.loop, services_.log, upstream.look_up));
  for (const config::Server& server : upstream.servers) {
    upstream::PeerOptions options;
    options.weight = server.weight;
    options.max_fails = upstream.max_fails;
    options.keepalive = upstream.keepalive;
    if (protocol == "fastcgi" && !upstream.keepalive_written) options.brief_life = kBriefLife;
    names_.back()->add(server.address, options, most_kept_each_);
  }
  if (!upstream.check.path.empty()) check(*group, route, upstream.check);
  return *group;
}

void FrontRoutes::check(upstream::PeerGroup& group, const config::ProxyRoute& route,
                        const config::Upstream::Check& check) {
  handler::HealthCheckOptions options;
  options.protocol = protocol_of(route.protocol);
  options.root = route.root;
  options.path = check.path;
  options.every = check.every;
  options.fails = check.fails;
  checks_.push_back(std::make_unique<handler::HealthChecks>(std::move(options), group, services_.loop, services_.log));
}

}  // namespace cutwater::app
