#include "app/master_lines.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/text.h"
#include "config/route_pattern.h"

namespace cutwater::app {
namespace {

namespace fs = std::filesystem;

// Relative where that is shorter to read: inside of the app's root.
std::string short_path(const std::string& path, const std::string& root) {
  const fs::path inside = fs::path(path).lexically_normal().lexically_relative(fs::path(root).lexically_normal());
  if (inside.empty() || *inside.begin() == "..") return path;
  return inside.native();
}

std::string with_slash(std::string path) {
  if (!path.ends_with('/')) path += '/';
  return path;
}

std::string answer_of(const config::Route& route) {
  if (route.kind == config::Route::Kind::kApp) return "app";
  if (route.kind == config::Route::Kind::kStatic) return "static";
  if (route.kind == config::Route::Kind::kCgi) return "cgi";
  return route.proxy.protocol == "http" ? "proxy" : route.proxy.protocol;
}

// "pool php (php-cgi, up to 8 processes)".
std::string pool_label(const config::Pool& pool) {
  const config::ProcessCount& count = pool.processes;
  return fmt::format("pool {} ({}, {}{})", pool.name, pool.command.front(), count.min == count.max ? "" : "up to ",
                     base::counted(count.max, "process"));
}

// "api (10.0.0.5:8000, 10.0.0.6:8000 weight 2)", or the one server.
std::string upstream_label(const config::ProxyRoute& proxy, const config::Config& config) {
  for (const config::Pool& pool : config.pools) {
    if (pool.name == proxy.pool) return pool_label(pool);
  }
  std::vector<std::string> servers;
  for (const config::Upstream& upstream : config.upstreams) {
    if (upstream.name != proxy.upstream) continue;
    for (const config::Server& server : upstream.servers) {
      servers.push_back(server.weight == 1 ? server.address
                                           : fmt::format("{} weight {}", server.address, server.weight));
    }
  }
  if (servers.size() == 1 && servers.front() == proxy.upstream) return proxy.upstream;
  return fmt::format("{} ({})", proxy.upstream, fmt::join(servers, ", "));
}

}  // namespace

std::string app_label(const control::Imported& imported) {
  // Tornado is no abbreviation, and says it all with its version.
  if (imported.protocol == "tornado") {
    return fmt::format("{} ({})", imported.target, imported.framework.empty() ? "Tornado" : imported.framework);
  }
  std::string protocol = imported.protocol;
  for (char& c : protocol) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  const std::string framework = imported.framework.empty() ? "" : ", " + imported.framework;
  return fmt::format("{} ({}{})", imported.target, protocol, framework);
}

std::string interpreter_label(const supervise::AppSpec& spec, const std::string& version) {
  const fs::path environment = fs::path(spec.python).parent_path().parent_path();
  std::error_code error;
  if (!fs::exists(environment / "pyvenv.cfg", error)) return fmt::format("Python {} ({})", version, spec.python);
  return fmt::format("{} Python {}", short_path(environment.native(), spec.root), version);
}

bool is_plain_static(const config::Route& route) {
  return route.kind == config::Route::Kind::kStatic && !route.auth && !route.filter;
}

std::vector<std::string> route_lines(const config::Config& config) {
  std::vector<std::string> lines;
  for (const config::Route& route : config.routes) {
    std::string line = fmt::format("{} {} -> ", answer_of(route), config::pattern_of(route));
    if (route.kind == config::Route::Kind::kApp) line += route.app;
    if (route.kind == config::Route::Kind::kStatic) line += config.static_routes[route.static_route].root;
    if (route.kind == config::Route::Kind::kCgi) line += route.cgi.root + "/";
    if (route.kind == config::Route::Kind::kProxy) line += upstream_label(route.proxy, config);
    if (route.auth) line += fmt::format("; auth {} {}", route.auth->protocol, upstream_label(*route.auth, config));
    if (route.filter)
      line += fmt::format("; filter {} {}", route.filter->protocol, upstream_label(*route.filter, config));
    lines.push_back(std::move(line));
  }
  return lines;
}

std::string serving_line(const supervise::AppSpec& spec, const control::Imported& imported,
                         const std::vector<std::string>& urls, const config::Config& config) {
  std::vector<std::string> places;
  for (const std::string& url : urls) places.push_back(url + spec.prefix);
  std::string line = fmt::format("serving {} with {} on {}", app_label(imported),
                                 interpreter_label(spec, imported.python), fmt::join(places, ", "));
  std::vector<std::string> folders;
  for (const config::Route& route : config.routes) {
    if (route.kind != config::Route::Kind::kStatic) continue;
    const std::string& root = config.static_routes[route.static_route].root;
    folders.push_back(config::pattern_of(route) + " -> " + with_slash(short_path(root, spec.root)));
  }
  for (const control::StaticFolder& folder : imported.static_folders) {
    folders.push_back(folder.prefix + " -> " + with_slash(short_path(folder.root, spec.root)));
  }
  if (!folders.empty()) line += fmt::format("; static {}", fmt::join(folders, ", "));
  return line;
}

}  // namespace cutwater::app
