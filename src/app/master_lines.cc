#include "app/master_lines.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

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

}  // namespace

std::string app_label(const control::Imported& imported) {
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

std::vector<std::string> proxy_lines(const config::Config& config) {
  std::vector<std::string> lines;
  for (const config::Route& route : config.routes) {
    if (route.kind == config::Route::Kind::kCgi) {
      lines.push_back(fmt::format("cgi {} -> {}/", pattern_of(route), route.cgi.root));
    }
    if (route.kind != config::Route::Kind::kProxy) continue;
    std::string line = fmt::format("{} {}{} -> {}", route.proxy.protocol == "http" ? "proxy" : route.proxy.protocol,
                                   route.path, route.exact ? "" : "*", route.proxy.upstream);
    for (const config::Upstream& upstream : config.upstreams) {
      if (upstream.name != route.proxy.upstream) continue;
      std::vector<std::string> servers;
      for (const config::Server& server : upstream.servers) {
        servers.push_back(server.weight == 1 ? server.address
                                             : fmt::format("{} weight {}", server.address, server.weight));
      }
      if (servers.size() != 1 || servers.front() != upstream.name)
        line += fmt::format(" ({})", fmt::join(servers, ", "));
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

std::string serving_line(const supervise::AppSpec& spec, const control::Imported& imported,
                         const std::vector<std::string>& urls, const std::vector<config::StaticRoute>& routes) {
  std::vector<std::string> places;
  for (const std::string& url : urls) places.push_back(url + spec.prefix);
  std::string line = fmt::format("serving {} with {} on {}", app_label(imported),
                                 interpreter_label(spec, imported.python), fmt::join(places, ", "));
  std::vector<std::string> folders;
  for (const config::StaticRoute& route : routes) {
    folders.push_back(route.prefix + " -> " + with_slash(short_path(route.root, spec.root)));
  }
  for (const control::StaticFolder& folder : imported.static_folders) {
    folders.push_back(folder.prefix + " -> " + with_slash(short_path(folder.root, spec.root)));
  }
  if (!folders.empty()) line += fmt::format("; static {}", fmt::join(folders, ", "));
  return line;
}

}  // namespace cutwater::app
