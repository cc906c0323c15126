#include "config/checks.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "config/project_files.h"

namespace cutwater::config {
namespace {

void check_folder(const std::string& setting, const std::string& folder, const std::string& fix, Reporter& reporter) {
  if (is_folder(folder)) return;
  reporter.error("CW0110", setting + ": there is no folder " + shown_path(folder) + "\n  fix: " + fix);
}

bool is_shareable(const std::string& address) {
  return address.ends_with(":0");
}

}  // namespace

bool is_routed(const Config& config, const App& app) {
  return std::any_of(config.routes.begin(), config.routes.end(),
                     [&](const Route& route) { return route.kind == Route::Kind::kApp && route.app == app.name; });
}

void check_config(const Config& config, Reporter& reporter) {
  std::map<std::string, std::string> prefixes;
  for (const App& app : config.apps) {
    check_folder("app." + app.name + ".root", app.root, "correct root, or create the folder", reporter);
    if (is_routed(config, app)) continue;  // the routes tell it from others
    auto [known, is_new] = prefixes.emplace(app.prefix, app.name);
    if (is_new) continue;
    std::string where = app.prefix.empty() ? "/" : app.prefix;
    reporter.error("CW0108", "the apps " + known->second + " and " + app.name + " both answer at " + where +
                                 "\n  fix: give one of them a prefix");
  }
  for (const StaticRoute& route : config.static_routes) {
    check_folder("static.root of " + route.prefix + "*", route.root, "correct root, or create the folder", reporter);
  }
  std::map<std::string, int> addresses;
  for (const Listen& listen : config.listens) {
    if (++addresses[listen.address] == 2 && !is_shareable(listen.address)) {
      reporter.error("CW0108", "two listeners on " + listen.address + "\n  fix: remove one");
    }
  }
}

void check_file_permissions(const std::string& file, Reporter& reporter) {
  struct stat status;
  if (::geteuid() != 0 || ::stat(file.c_str(), &status) != 0) return;
  bool group = (status.st_mode & S_IWGRP) != 0 && status.st_gid != 0;
  bool others = (status.st_mode & S_IWOTH) != 0;
  if (!group && !others) return;
  reporter.warning("CW0114", shown_path(file) +
                                 " may be changed by users other than root, and cutwater runs as root\n"
                                 "  fix: chmod go-w " +
                                 shown_path(file));
}

}  // namespace cutwater::config
