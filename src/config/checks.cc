#include "config/checks.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "config/project_files.h"
#include "supervise/identity.h"

namespace cutwater::config {
namespace {

void check_folder(const Place& place, const std::string& setting, const std::string& folder, const std::string& key,
                  Reporter& reporter) {
  if (is_folder(folder)) return;
  reporter.error_at("CW0110", place, setting + ": there is no folder " + shown_path(folder),
                    "correct " + key + ", or create the folder");
}

bool is_loopback(const std::string& address) {
  const std::string host = address.substr(0, address.rfind(':'));
  return host.starts_with("127.") || host == "[::1]" || host == "localhost" || host.starts_with("[::ffff:127.");
}

// FORWARDED_ALLOW_IPS=* is common, and meant for what proxies say, not for who a web server is.
bool is_everybody(const std::string& entry) {
  return entry == "*" || entry.ends_with("/0");
}

bool trusts_beyond_loopback(const Listen& listen) {
  const std::vector<std::string>& trusted = listen.trusted_proxies;
  if (std::any_of(trusted.begin(), trusted.end(), is_everybody)) return false;
  return std::any_of(trusted.begin(), trusted.end(), [](const std::string& entry) {
    return !entry.starts_with("127.") && !entry.starts_with("::1") && entry != "unix";
  });
}

void check_trusted_users(const Listen& listen, Reporter& reporter) {
  const std::vector<std::string> usual = Listen().trusted_users;
  for (const std::string& user : listen.trusted_users) {
    const bool may_be_missing = user == "*" || std::find(usual.begin(), usual.end(), user) != usual.end();
    if (may_be_missing || supervise::find_identity(user)) continue;
    reporter.error("CW0103", "listen.trusted_users: there is no user " + user +
                                 "\n  fix: write the user that the web server on " + listen.address + " runs as");
  }
}

void check_gateway_trust(const Listen& listen, Reporter& reporter) {
  if (listen.protocol == "http") return;
  if (listen.address.starts_with("unix:")) return check_trusted_users(listen, reporter);
  if (listen.address.starts_with("fd:")) return;  // looked at when it is opened
  if (std::string problem = trust_problem(listen, listen.address); !problem.empty()) {
    reporter.error("CW0115", problem);
  }
}

bool is_shareable(const std::string& address) {
  return address.ends_with(":0");
}

}  // namespace

Place place_of(const App& app, const std::string& key) {
  auto found = app.places.find(key);
  if (found == app.places.end()) found = app.places.find("");
  return found == app.places.end() ? Place() : found->second;
}

bool is_routed(const Config& config, const App& app) {
  return std::any_of(config.routes.begin(), config.routes.end(),
                     [&](const Route& route) { return route.kind == Route::Kind::kApp && route.app == app.name; });
}

std::string trust_problem(const Listen& listen, const std::string& address) {
  if (listen.protocol == "http" || is_loopback(address) || trusts_beyond_loopback(listen)) return "";
  return "listen " + address + ": by protocol \"" + listen.protocol +
         "\" a web server says who its clients are; where other machines can connect it must be known which one may\n"
         "  fix: trusted_proxies = [\"10.0.0.5\"], with the web server's address (\"*\" and \"0.0.0.0/0\" name none); "
         "or listen on 127.0.0.1 or a unix socket";
}

void check_config(const Config& config, Reporter& reporter) {
  std::map<std::string, std::string> prefixes;
  for (const App& app : config.apps) {
    check_folder(place_of(app, "root"), "app." + app.name + ".root", app.root, "root", reporter);
    if (app.user.empty() && app.places.contains("user")) {
      // As of "${NAME:-}" with nothing in it: the app would run as somebody else than is meant, perhaps as root.
      reporter.error_at("CW0103", place_of(app, "user"), "app." + app.name + ".user: is empty",
                        "name the user, or remove the line: then it is the owner of the app's folder");
    }
    if (is_routed(config, app)) continue;  // the routes tell it from others
    auto [known, is_new] = prefixes.emplace(app.prefix, app.name);
    if (is_new) continue;
    std::string where = app.prefix.empty() ? "/" : app.prefix;
    reporter.error_at("CW0108", place_of(app, "prefix"),
                      "the apps " + known->second + " and " + app.name + " both answer at " + where,
                      "give one of them a prefix");
  }
  for (const StaticRoute& route : config.static_routes) {
    check_folder(route.place, "static.root", route.root, "root", reporter);
  }
  for (const Route& route : config.routes) {
    if (!has_scripts(route)) continue;
    const bool is_cgi = route.kind == Route::Kind::kCgi;
    check_folder(route.place, is_cgi ? "cgi.dir" : "fastcgi.root", script_root(route), is_cgi ? "dir" : "root",
                 reporter);
  }
  for (const Pool& pool : config.pools) {
    check_folder({}, "pool." + pool.name + ".root", pool.root, "root", reporter);
  }
  for (const auto& [what, root] : sendfile_folders(config)) {
    check_folder({}, what, root, "sendfile", reporter);
  }
  std::map<std::string, int> addresses;
  for (const Listen& listen : config.listens) {
    if (++addresses[listen.address] == 2 && !is_shareable(listen.address)) {
      reporter.error_at("CW0108", listen.place, "two listeners on " + listen.address, "remove one");
    }
    check_gateway_trust(listen, reporter);
  }
}

void check_file_permissions(const std::string& file, Reporter& reporter) {
  struct stat status;
  if (::geteuid() != 0 || ::stat(file.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return;
  bool group = (status.st_mode & S_IWGRP) != 0 && status.st_gid != 0;
  bool others = (status.st_mode & S_IWOTH) != 0;
  if (!group && !others) return;
  reporter.warning("CW0114", shown_path(file) +
                                 " may be changed by users other than root, and cutwater runs as root\n"
                                 "  fix: chmod go-w " +
                                 shown_path(file));
}

}  // namespace cutwater::config
