#include "app/route_folders.h"

#include "config/checks.h"

namespace cutwater::app {

namespace {

constexpr const char* kCorrectRoot = "correct `root` of that route";
constexpr const char* kCorrectFolder = "correct `dir` of that route";

}  // namespace

std::vector<RouteFolder> route_folders(const config::Config& config) {
  std::vector<RouteFolder> folders;
  for (const config::StaticRoute& route : config.static_routes) {
    folders.push_back({"static files at " + route.prefix, route.root, kCorrectRoot});
  }
  for (const config::Route& route : config.routes) {
    if (!has_scripts(route)) continue;
    const bool is_cgi = route.kind == config::Route::Kind::kCgi;
    folders.push_back({"scripts at " + route.path, script_root(route), is_cgi ? kCorrectFolder : kCorrectRoot, is_cgi,
                       is_cgi && route.cgi.suffixes.empty()});
  }
  for (const auto& [what, root] : config::sendfile_folders(config)) folders.push_back({what, root, "correct it there"});
  return folders;
}

}  // namespace cutwater::app
