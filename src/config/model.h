// The configuration as plain values, after defaults, file, environment and flags were put together (in that order,
// later wins). What each setting means to a user is written once, in settings.cc.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "config/value.h"

namespace cutwater::config {

// Where a value is written, for messages.
struct Place {
  std::string name = {};     // "cutwater.toml:12:8", "--root"; "" = nowhere
  std::string excerpt = {};  // of a file: that line with a caret below
  uint32_t line = 0;         // of a file
};

struct Listen {
  std::string address = "127.0.0.1:8000";
  int backlog = 2048;
  std::optional<int> mode;        // of a unix socket; without it app/listen_options chooses
  std::string owner;              // of a unix socket; "" = whoever starts us
  std::string group;              // likewise
  std::string protocol = "http";  // "uwsgi" | "scgi" | "fastcgi": a web server in front hands requests over
  std::vector<std::string> trusted_proxies = {"127.0.0.1/32", "::1/128"};
  std::vector<std::string> trusted_users = {"root", "www-data", "nginx"};  // on a unix socket, by a gateway protocol
  Place place = {};                                                        // of address
};

// URL path, with its final '/' -> absolute folder.
using FolderMap = std::map<std::string, std::string>;

struct App {
  std::string name;
  std::string root;                            // absolute: working directory and sys.path[0]
  std::string target = "auto";                 // "module:attribute", "module:factory()", "file.py:attribute", "auto"
  std::string protocol = "auto";               // "wsgi" | "asgi" | "tornado"
  std::string python;                          // absolute path of the interpreter after discovery; empty before
  std::string python_setting;                  // as written: environment folder, interpreter or version; "" = discover
  unsigned workers = 0;                        // 0 = auto
  unsigned threads = 1;                        // of each worker; 0 = auto
  std::string preload = "auto";                // "auto" | "true" | "false"
  std::string watch = "code";                  // "code" | "deploy" | "off"
  std::string prefix;                          // "" or "/shop": SCRIPT_NAME
  std::string hop_by_hop = "refuse";           // "refuse" | "drop": response fields that are the connection's
  std::string loop = "auto";                   // "auto" | "asyncio" | "uvloop" | "module:factory"
  unsigned concurrency = 1000;                 // requests of one worker at once, of an asynchronous app
  std::string lifespan = "auto";               // "auto" | "on" | "off"
  std::string on_disconnect = "finish";        // "finish" | "cancel"
  std::vector<std::string> websocket_origins;  // whose pages may open WebSockets; empty = all
  std::string user;                            // "" = owner of root (when started as root)
  std::map<std::string, std::string> environment;
  FolderMap sendfile;  // files it may name instead of sending them
  base::Duration timeout = std::chrono::seconds(60);
  base::Duration grace = std::chrono::seconds(30);
  base::Duration start_timeout = std::chrono::seconds(120);
  unsigned queue = 100;  // waiting requests; beyond: 503
  base::Duration queue_timeout = std::chrono::seconds(10);
  // By key, where its value is written; for "" the section.
  std::map<std::string, Place> places = {};
};

struct StaticRoute {
  std::string prefix;                   // "/static/"; matches whole segments
  std::string root;                     // absolute
  std::string index;                    // file answered for a folder; "" = 404
  std::optional<base::Duration> cache;  // Cache-Control: max-age
  Place place = {};                     // of root
};

// Servers behind us that answer for each other.
struct Upstream {
  std::string name;  // of [upstream.NAME], or the address that `to` names
  ServerList servers;
  std::string balance = "least_busy";                 // "least_busy" | "round_robin" | "ip_hash"
  unsigned max_fails = 3;                             // 0 = never left alone
  unsigned keepalive = 64;                            // idle connections to each server
  bool keepalive_written = false;                     // in the file
  base::Duration look_up = std::chrono::seconds(10);  // names of servers, each time; 0 = at start alone
  struct Check {
    std::string path;  // "" = servers are not checked
    base::Duration every = std::chrono::seconds(5);
    unsigned fails = 2;  // in a row, until a server gets no requests
  } check;
};

// Processes of ours that speak FastCGI.
struct Pool {
  std::string name;
  TextList command;  // its first is a name in PATH, or absolute
  ProcessCount processes;
  std::string user;  // "" = owner of root (when started as root)
  std::string root;  // absolute: the working directory
  TextMap environment;
  uint64_t max_requests = 0;  // of one process; 0 = any number
  base::Duration timeout = std::chrono::seconds(60);
  base::Duration slow{};  // 0 = nothing is logged
  unsigned queue = 100;   // waiting requests; beyond: 503
  base::Duration queue_timeout = std::chrono::seconds(10);
};

struct ProxyRoute {
  std::string protocol = "http";  // "http" | "fastcgi" | "scgi" | "uwsgi"
  std::string upstream;           // a name in Config::upstreams, or
  std::string pool;               // one in Config::pools
  std::string strip;              // taken off the path; "" or "/api"
  base::Duration timeout = std::chrono::seconds(60);
  base::Duration connect_timeout = std::chrono::seconds(5);
  base::Duration tunnel_timeout = std::chrono::hours(1);
  unsigned retries = 1;
  std::string root;                 // "": the servers know what to run; else absolute
  std::string real_root = "false";  // "true": the servers are told where links on the way to root lead
  std::string index = "index.php";
  std::string split = ".php";            // ending of scripts
  std::string files = "false";           // "true": what is no script below root is sent as it is
  std::string fallback;                  // the script, "/index.php", for what is neither; "": nobody
  std::vector<std::string> closed = {};  // "data": folders below root of which nothing is run or sent
  // "uploads": names of folders, wherever they lie below root and however they are written, of which no script is run
  std::vector<std::string> never_run = {};
  std::string buffer = "true";              // no server is taken before the body is complete
  FolderMap sendfile;                       // files that servers may name instead of sending them
  std::vector<std::string> variables = {};  // of an authorizer: those it is known to set

  bool operator==(const ProxyRoute&) const = default;
};

// CGI scripts of a folder.
struct CgiRoute {
  std::string root;                                 // the folder, absolute
  std::string strip;                                // of the path; what follows is looked for in root: "" or "/cgi-bin"
  std::string index;                                // script of a folder; "" = 404
  std::vector<std::string> suffixes;                // endings of scripts; empty: every file is one
  std::map<std::string, std::string> interpreters;  // ".py" -> "python3"
  std::map<std::string, std::string> environment;
  std::string user;             // "" = owner of the script's folder (when started as root)
  std::string files = "false";  // "true": what is no script below root is sent as it is
  std::string warm = "true";    // "false": each Python script starts an interpreter of its own
  std::string nph = "false";    // "true": a script whose name begins with "nph-" writes its own HTTP
  base::Duration timeout = std::chrono::seconds(30);
  unsigned most = 16;    // at once, over all fronts
  unsigned queue = 100;  // waiting requests; beyond: 503
  base::Duration queue_timeout = std::chrono::seconds(10);

  bool operator==(const CgiRoute&) const = default;
};

// One [[site.route]]: the first that takes a path answers it.
struct Route {
  enum class Kind { kApp, kStatic, kProxy, kCgi };
  std::string path;  // "/api/" for "/api/*"; "/health" alone when exact
  bool exact = false;
  Kind kind = Kind::kApp;
  std::string app;                   // with kApp: its name
  size_t static_route = 0;           // with kStatic: in Config::static_routes
  ProxyRoute proxy;                  // with kProxy
  CgiRoute cgi;                      // with kCgi
  std::optional<ProxyRoute> auth;    // who must let a request through first
  std::optional<ProxyRoute> filter;  // with kStatic: who gets the file and answers with what it makes of it
  Place place = {};                  // with kProxy: of its root
};

struct Config;

struct NamedRoot {
  std::string what;  // "sendfile \"/protected/\" of app.web"
  std::string root;
};
// Those of the routes in their order, then those of the apps in theirs; of each in the order of the URL paths.
std::vector<NamedRoot> sendfile_folders(const Config& config);

// The folder whose scripts it asks for; "" = none.
inline const std::string& script_root(const Route& route) {
  static const std::string none;
  if (route.kind == Route::Kind::kCgi) return route.cgi.root;
  return route.kind == Route::Kind::kProxy ? route.proxy.root : none;
}
inline bool has_scripts(const Route& route) {
  return !script_root(route).empty();
}

struct Limits {
  uint64_t header = 32 * 1024;
  uint64_t header_count = 100;
  std::string header_names = "drop";  // "drop" | "refuse": names with other bytes than [A-Za-z0-9-]
  uint64_t body = 100 * 1024 * 1024;
  base::Duration header_timeout = std::chrono::seconds(10);
  uint64_t body_min_rate = 500;  // bytes per second
  base::Duration keepalive = std::chrono::seconds(75);
  uint64_t connections = 20000;
  uint64_t websocket_message = 16 * 1024 * 1024;
  uint64_t websocket_unfinished = 256 * 1024 * 1024;
  base::Duration websocket_ping = std::chrono::seconds(20);  // 0 = none is sent
};

struct Log {
  std::string access = "stdout";    // "stdout" | "off" | a file
  std::string format = "combined";  // "combined" | "json"
  std::string error = "stderr";     // "stderr" | a file
  std::string level = "info";       // debug | info | warning | error
  bool json = false;                // serve --json: one JSON object a message
};

struct Config {
  std::string file;            // "" = none
  bool file_is_empty = false;  // it sets nothing
  std::vector<Listen> listens;
  std::vector<App> apps;                   // longest prefix wins
  std::vector<StaticRoute> static_routes;  // what `routes` has of them, in its order
  std::vector<Route> routes;               // in the order of the file
  std::vector<Upstream> upstreams;
  std::vector<std::string> never_sent;  // endings of files that no static route sends, besides those of scripts
  std::vector<Pool> pools;
  Limits limits;
  Log log;
  std::string front_user;  // "" = cutwater, else nobody
  unsigned fronts = 0;     // 0 = one per 4 CPUs
  base::Duration shutdown_grace = std::chrono::seconds(30);
};

}  // namespace cutwater::config
