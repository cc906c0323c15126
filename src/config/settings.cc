#include "config/settings.h"

namespace cutwater::config {
namespace {

Config& owner(Scope& scope, const Config*) {
  return *scope.config;
}
Limits& owner(Scope& scope, const Limits*) {
  return scope.config->limits;
}
Log& owner(Scope& scope, const Log*) {
  return scope.config->log;
}
Listen& owner(Scope& scope, const Listen*) {
  return *scope.listen;
}
App& owner(Scope& scope, const App*) {
  return *scope.app;
}
StaticRoute& owner(Scope& scope, const StaticRoute*) {
  return *scope.route;
}
RouteDraft& owner(Scope& scope, const RouteDraft*) {
  return *scope.route;
}
ProxyRoute& owner(Scope& scope, const ProxyRoute*) {
  return *scope.proxy;
}
ProxyDraft& owner(Scope& scope, const ProxyDraft*) {
  return *scope.proxy;
}
Upstream& owner(Scope& scope, const Upstream*) {
  return *scope.upstream;
}

Upstream::Check& owner(Scope& scope, const Upstream::Check*) {
  return scope.upstream->check;
}
CgiRoute& owner(Scope& scope, const CgiRoute*) {
  return *scope.cgi;
}
Pool& owner(Scope& scope, const Pool*) {
  return *scope.pool;
}

void assign(std::string& to, const Value& value) {
  to = std::get<std::string>(value);
}
void assign(std::optional<std::string>& to, const Value& value) {
  to = std::get<std::string>(value);
}
void assign(uint64_t& to, const Value& value) {
  to = std::get<uint64_t>(value);
}
void assign(unsigned& to, const Value& value) {
  to = static_cast<unsigned>(std::get<uint64_t>(value));
}
void assign(int& to, const Value& value) {
  to = static_cast<int>(std::get<uint64_t>(value));
}
void assign(std::optional<int>& to, const Value& value) {
  to = static_cast<int>(std::get<uint64_t>(value));
}
void assign(base::Duration& to, const Value& value) {
  to = std::get<base::Duration>(value);
}
void assign(std::optional<base::Duration>& to, const Value& value) {
  to = std::get<base::Duration>(value);
}
void assign(TextList& to, const Value& value) {
  to = std::get<TextList>(value);
}
void assign(TextMap& to, const Value& value) {
  to = std::get<TextMap>(value);
}
void assign(ServerList& to, const Value& value) {
  to = std::get<ServerList>(value);
}
void assign(ProcessCount& to, const Value& value) {
  to = std::get<ProcessCount>(value);
}

// to<&App::timeout> stores a value there.
template <class Class, class Member>
const Class* class_of(Member Class::*);
template <auto kMember>
void to(Scope& scope, const Value& value) {
  using Class = decltype(class_of(kMember));
  assign(owner(scope, Class{nullptr}).*kMember, value);
}

constexpr uint64_t kMillisecond = 1'000'000;
constexpr uint64_t kSecond = 1'000 * kMillisecond;
constexpr uint64_t kDay = 86'400 * kSecond;
constexpr uint64_t kKilobyte = 1024;
constexpr uint64_t kTerabyte = 1ULL << 40;

constexpr Setting kSettings[] = {
    {Section::kTop, "front_user", Kind::kText, "",
     "Whom the front, which touches the network, runs as when started as root; without it \"cutwater\", else "
     "\"nobody\".",
     "front-user", to<&Config::front_user>},
    {Section::kTop, "fronts", Kind::kAutoInteger, "auto", "How many front processes; \"auto\" is one per 4 CPUs.",
     "fronts", to<&Config::fronts>, 1, 64},

    {Section::kListen, "addr", Kind::kAddress, "127.0.0.1:8000",
     "Where to listen: \"127.0.0.1:8000\", \":8000\" (every IPv4 address), \"[::]:8000\" (every IPv6 address), "
     "\"unix:/run/shop.sock\" or \"fd:3\". When PORT is set, the default is 0.0.0.0:$PORT. --bind and CUTWATER_BIND "
     "stand for all [[listen]] of the file, whose other settings are dropped then, with a warning: what listens there "
     "speaks http.",
     "bind", to<&Listen::address>},
    {Section::kListen, "backlog", Kind::kInteger, "2048", "How many new connections the kernel holds for us.",
     "backlog", to<&Listen::backlog>, 1, 65535},
    {Section::kListen, "owner", Kind::kText, "",
     "The user a unix socket belongs to; without it the one that starts Cutwater. Only root may give it away.", "",
     to<&Listen::owner>},
    {Section::kListen, "group", Kind::kText, "",
     "The group a unix socket belongs to: with mode \"660\" and the web server's group only they can connect.", "",
     to<&Listen::group>},
    {Section::kListen, "protocol", Kind::kChoice, "http",
     "What comes there: \"http\" from clients and proxies, or what a web server in front passes on: \"uwsgi\" (nginx's "
     "uwsgi_pass), \"scgi\" (scgi_pass) or \"fastcgi\" (fastcgi_pass).",
     "", to<&Listen::protocol>, 0, UINT64_MAX, "http|uwsgi|scgi|fastcgi"},
    {Section::kListen, "mode", Kind::kOctalMode, "",
     "Permissions of a unix socket, in octal. Without it everybody may open it (\"666\"), as a port of this machine. "
     "With any protocol but \"http\" it is \"660\" where one group has the front's user and all of trusted_users that "
     "exist (www-data on Debian, started as root), and the socket gets that group; else \"666\". In any case the "
     "kernel's word on who connects decides: trusted_users.",
     "", to<&Listen::mode>},
    {Section::kListen, "trusted_proxies", Kind::kNetworkList, "127.0.0.1/32, ::1/128",
     "Addresses and networks whose X-Forwarded-* and Forwarded fields are believed; \"unix\" believes who connects by "
     "a unix socket, \"*\" everybody, down to what the client itself wrote there. "
     "FORWARDED_ALLOW_IPS changes the default. With any protocol but \"http\" also the only web servers that may "
     "connect by TCP; beyond this machine they must be named, and \"*\" or \"0.0.0.0/0\" names none. By FastCGI "
     "FCGI_WEB_SERVER_ADDRS "
     "of "
     "the environment changes the default too, and who connects must be in both.",
     "trusted-proxies", to<&Listen::trusted_proxies>},
    {Section::kListen, "trusted_users", Kind::kUserList, "root, www-data, nginx",
     "With any protocol but \"http\" on a unix socket: the users whose programs may connect, and Cutwater's own; "
     "\"*\" is everybody whom mode lets in.",
     "", to<&Listen::trusted_users>},

    {Section::kApp, "root", Kind::kPath, "",
     "The app's folder: working directory and first place of imports; without it "
     "the folder of the configuration file, or of TARGET.",
     "root", to<&App::root>},
    {Section::kApp, "target", Kind::kText, "auto",
     "What to serve: \"shop.wsgi:application\", \"shop:create_app()\", \"app.py:app\"; \"auto\" finds it in the "
     "folder.",
     "app", to<&App::target>},
    {Section::kApp, "protocol", Kind::kChoice, "auto", "How Cutwater talks to the app.", "protocol", to<&App::protocol>,
     0, UINT64_MAX, "auto|wsgi|asgi|tornado"},
    {Section::kApp, "python", Kind::kText, "",
     "The app's Python: a virtual environment's folder, an interpreter, or a version such as \"3.12\"; without it, it "
     "is "
     "discovered.",
     "python", to<&App::python_setting>},
    {Section::kApp, "workers", Kind::kAutoInteger, "auto",
     "How many worker processes; \"auto\" is the CPUs Cutwater may use, at least 2. No app has more than 60, whatever "
     "is written. WEB_CONCURRENCY changes the default.",
     "workers", to<&App::workers>, 1, 1024},
    {Section::kApp, "threads", Kind::kAutoInteger, "1",
     "How many requests each worker of a WSGI app runs at once, each in a thread of its own. With 1 the app need not "
     "be "
     "safe for threads, and nothing is faster for one that computes; more are for one that waits, for databases and "
     "other servers. They are started when they are needed. \"auto\" is up to 64 while requests wait, and few while "
     "they compute.",
     "threads", to<&App::threads>, 1, 256},
    {Section::kApp, "preload", Kind::kChoice, "auto",
     "Fork workers from one import of the app, sharing memory; \"auto\" does so when that is safe.", "preload",
     to<&App::preload>, 0, UINT64_MAX, "auto|true|false"},
    {Section::kApp, "watch", Kind::kChoice, "code",
     "Reload without downtime when this changes: \"code\" is any of the app's Python files and templates, \"deploy\" "
     "is restart.txt, tmp/restart.txt, .deploy or pyproject.toml in the app's root: writing one does it, and so does "
     "touching it; removing one, or giving it other rights, does not.",
     "watch", to<&App::watch>, 0, UINT64_MAX, "code|deploy|off"},
    {Section::kApp, "prefix", Kind::kUrlPrefix, "",
     "The URL path the app lives under, such as \"/shop\". SCRIPT_NAME changes the default. Without it a web server in "
     "front of a listener for uwsgi, SCGI or FastCGI may say it with each request, before a PATH_INFO; not lighttpd, "
     "whose word for it may be any beginning of a path.",
     "prefix", to<&App::prefix>},
    {Section::kApp, "hop_by_hop", Kind::kChoice, "refuse",
     "What becomes of a response field that belongs to the connection, such as Connection or Upgrade, when the app "
     "sets "
     "one: \"refuse\" answers 500, as PEP 3333 asks; \"drop\" leaves the field out and warns once for each worker.",
     "hop-by-hop", to<&App::hop_by_hop>, 0, UINT64_MAX, "refuse|drop"},
    {Section::kApp, "loop", Kind::kText, "auto",
     "The event loop of an ASGI or Tornado app: \"asyncio\", \"uvloop\", or \"module:factory\", a function that makes "
     "one; \"auto\" is uvloop where the app's environment has it. With \"gevent\" or \"eventlet\" each request of a "
     "WSGI "
     "app runs in a greenlet; Python's standard library is patched before the app is imported.",
     "loop", to<&App::loop>},
    {Section::kApp, "concurrency", Kind::kInteger, "1000",
     "Most requests and WebSockets that one worker runs at once, of an ASGI or Tornado app, or one with loop = "
     "\"gevent\" or \"eventlet\"; more wait in the queue.",
     "concurrency", to<&App::concurrency>, 1, 100'000},
    {Section::kApp, "lifespan", Kind::kChoice, "auto",
     "Whether an ASGI app is told of its start and end: with \"auto\" one that raises then does without, with \"on\" "
     "it does not start.",
     "lifespan", to<&App::lifespan>, 0, UINT64_MAX, "auto|on|off"},
    {Section::kApp, "on_disconnect", Kind::kChoice, "finish",
     "What becomes of a request of an ASGI app whose client has left: \"finish\" lets it run on, \"cancel\" cancels "
     "its task.",
     "on-disconnect", to<&App::on_disconnect>, 0, UINT64_MAX, "finish|cancel"},
    {Section::kApp, "websocket_origins", Kind::kOrigins, "",
     "Pages of which sites may open WebSockets of an ASGI or Tornado app: [\"https://example.com\", "
     "\"https://*.example.com\"]; \"same\" is the site that is asked. Those of others get 403; what sends no Origin is "
     "no browser, and let in. Without it all are, and the app has to look at the Origin.",
     "", to<&App::websocket_origins>},
    {Section::kApp, "user", Kind::kText, "",
     "Whom the app runs as when started as root; without it the owner of its folder.", "user", to<&App::user>},
    {Section::kApp, "env", Kind::kVariables, "", "Environment variables of the app.", "", to<&App::environment>},
    {Section::kApp, "sendfile", Kind::kFolders, "",
     "Folders of files that the app may name instead of sending them: with X-Accel-Redirect: /protected/a.pdf, or with "
     "X-Sendfile and the file's path. The client gets the file with the other fields of the answer. Without it nobody "
     "gets such a file, or sees the name.",
     "", to<&App::sendfile>},
    {Section::kApp, "timeout", Kind::kDuration, "60s",
     "Longest time a request may run; then the client gets 504 and that worker alone is replaced.", "timeout",
     to<&App::timeout>, 10 * kMillisecond, 30 * kDay},
    {Section::kApp, "grace", Kind::kDuration, "30s", "How long a worker that is replaced may finish what it runs.",
     "grace", to<&App::grace>, 0, kDay},
    {Section::kApp, "start_timeout", Kind::kDuration, "120s",
     "Longest time importing the app and getting ready may take.", "start-timeout", to<&App::start_timeout>,
     100 * kMillisecond, kDay},
    {Section::kApp, "queue", Kind::kInteger, "100",
     "How many requests may wait for a worker; one more is answered 503 with Retry-After.", "queue", to<&App::queue>, 1,
     100'000},
    {Section::kApp, "queue_timeout", Kind::kDuration, "10s", "How long a request may wait for a worker before its 503.",
     "queue-timeout", to<&App::queue_timeout>, 10 * kMillisecond, kDay},

    {Section::kLimits, "header", Kind::kSize, "32KB",
     "Largest request line and header fields together; beyond: 431. A field, and the request line, may be half as long "
     "alone, and 16KB in any case; a longer request line: 414.",
     "limit-header", to<&Limits::header>, kKilobyte, 1024 * kKilobyte},
    {Section::kLimits, "header_count", Kind::kInteger, "100", "Most header fields of a request; beyond: 431.",
     "limit-header-count", to<&Limits::header_count>, 1, 10'000},
    {Section::kLimits, "header_names", Kind::kChoice, "drop",
     "What becomes of a request field whose name has other characters than letters, digits and dashes, such as "
     "X_Forwarded_For, which a CGI or WSGI variable could not be told from X-Forwarded-For: \"drop\" makes no variable "
     "of "
     "it, \"refuse\" answers 400.",
     "limit-header-names", to<&Limits::header_names>, 0, UINT64_MAX, "drop|refuse"},
    {Section::kLimits, "body", Kind::kSize, "100MB", "Largest request body; beyond: 413.", "limit-body",
     to<&Limits::body>, 0, 1024 * kTerabyte},
    {Section::kLimits, "header_timeout", Kind::kDuration, "10s",
     "Time a client has for a whole request head, however it trickles; then 408.", "limit-header-timeout",
     to<&Limits::header_timeout>, 100 * kMillisecond, kDay},
    {Section::kLimits, "body_min_rate", Kind::kRate, "500B/s",
     "Slowest body a client may send, measured after 10 s; slower: 408. With 0 a body may be as slow as it likes, and "
     "is "
     "given up when nothing of it comes for a minute.",
     "limit-body-min-rate", to<&Limits::body_min_rate>, 0, kTerabyte},
    {Section::kLimits, "keepalive", Kind::kDuration, "75s", "How long an idle connection stays open.",
     "limit-keepalive", to<&Limits::keepalive>, 0, kDay},
    {Section::kLimits, "connections", Kind::kInteger, "20000", "Most client connections of one front.",
     "limit-connections", to<&Limits::connections>, 1, 10'000'000},
    {Section::kLimits, "websocket_message", Kind::kSize, "16MB",
     "Longest message a client of an app's WebSocket may send, decompressed; beyond: closed with 1009.",
     "limit-websocket-message", to<&Limits::websocket_message>, kKilobyte, 1024 * 1024 * kKilobyte},
    {Section::kLimits, "websocket_unfinished", Kind::kSize, "256MB",
     "How much the messages that clients of apps' WebSockets have begun and not ended may hold together, for each "
     "front, decompressed; at least `websocket_message`. Who would go beyond is closed with 1013. Up to 32 KiB of a "
     "message do not count.",
     "limit-websocket-unfinished", to<&Limits::websocket_unfinished>, kKilobyte, kTerabyte},
    {Section::kLimits, "websocket_ping", Kind::kDuration, "20s",
     "After so much silence the client of an app's WebSocket is asked whether it is still there, and given up after as "
     "much again. 0: it is not asked.",
     "limit-websocket-ping", to<&Limits::websocket_ping>, 0, kDay},

    {Section::kLog, "access", Kind::kPathOrWord, "stdout",
     "Where the access log goes: \"stdout\", \"off\" or a file. A line into a pipe has at most 4096 bytes, so that no "
     "other "
     "process tears it; its long fields are cut then and end with \"...\".",
     "access-log", to<&Log::access>, 0, UINT64_MAX, "stdout|off", "syslog|journald"},
    {Section::kLog, "format", Kind::kChoice, "combined", "Form of the access log's lines.", "log-format",
     to<&Log::format>, 0, UINT64_MAX, "combined|json", "common|gunicorn:|nginx:"},
    {Section::kLog, "error", Kind::kPathOrWord, "stderr",
     "Where everything else goes: \"stderr\" or a file. What apps write to their standard error goes there as it is.",
     "error-log", to<&Log::error>, 0, UINT64_MAX, "stderr", "syslog|journald"},
    {Section::kLog, "level", Kind::kChoice, "info",
     "The least serious message that is logged; debug also tells why a request was refused as malformed.", "log-level",
     to<&Log::level>, 0, UINT64_MAX, "debug|info|warning|error"},

    {Section::kShutdown, "grace", Kind::kDuration, "30s",
     "How long running requests may take to finish after TERM; a second signal ends them at once.", "shutdown-grace",
     to<&Config::shutdown_grace>, 0, kDay},

    {Section::kStatic, "root", Kind::kPath, "", "The folder with the files. Required.", "", to<&StaticRoute::root>},
    {Section::kStatic, "strip", Kind::kUrlPrefix, "",
     "What to take off the URL path before looking in root; without it, the part of match.path before \"*\".", "",
     to<&RouteDraft::strip>},
    {Section::kStatic, "index", Kind::kText, "index.html", "The file that answers for a folder; \"\" is 404.", "",
     to<&StaticRoute::index>},
    {Section::kStatic, "cache", Kind::kDuration, "",
     "How long clients may keep a file without asking again (Cache-Control: max-age); without it they ask every time.",
     "", to<&StaticRoute::cache>, 0, 3650 * kDay},

    {Section::kProxy, "to", Kind::kText, "",
     "Who answers: the name of an `[upstream.NAME]`, or one server, \"http://127.0.0.1:9000\" or "
     "\"unix:/run/api.sock\". Required.",
     "", to<&ProxyDraft::to>},
    {Section::kProxy, "strip", Kind::kUrlPrefix, "",
     "What to take off the URL path before asking; without it the path goes on as it is.", "", to<&ProxyRoute::strip>},
    {Section::kProxy, "buffer", Kind::kChoice, "true",
     "true: no server is asked before the request's body is complete, in memory or a spool file, so that none waits "
     "for a slow client, and another one can be asked with the same body. false: a body over 64 KiB, or of unknown "
     "length, is passed on as it comes.",
     "", to<&ProxyRoute::buffer>, 0, UINT64_MAX, "true|false"},
    {Section::kProxy, "sendfile", Kind::kFolders, "",
     "Folders of files that the servers may name instead of sending them: with X-Accel-Redirect: /protected/a.pdf, or "
     "with "
     "X-Sendfile and the file's path. The client gets the file with the other fields of the answer. Without it nobody "
     "gets such a file, or sees the name.",
     "", to<&ProxyRoute::sendfile>},
    {Section::kProxy, "timeout", Kind::kDuration, "60s",
     "Longest time a server may take for the head of its answer, counted from the end of the request (then the client "
     "gets 504), and between two pieces of the body (then the client sees a cut). When a body has taken that long, it "
     "must also come at 100 bytes a second, if its length is known, unless it has X-Accel-Buffering: no. No other "
     "server is asked after so long.",
     "", to<&ProxyRoute::timeout>, 10 * kMillisecond, 30 * kDay},
    {Section::kProxy, "connect_timeout", Kind::kDuration, "5s",
     "Longest time connecting to a server may take, within half of `timeout`; then the next one is asked.", "",
     to<&ProxyRoute::connect_timeout>, 10 * kMillisecond, kDay},
    {Section::kProxy, "tunnel_timeout", Kind::kDuration, "1h",
     "Longest time both sides of a WebSocket, or of another protocol that was switched to, may be silent before it is "
     "closed.",
     "", to<&ProxyRoute::tunnel_timeout>, 10 * kMillisecond, 30 * kDay},
    {Section::kProxy, "retries", Kind::kInteger, "1",
     "How many other servers are asked when one cannot be reached, or closes the connection without an answer to a "
     "request that does no harm when sent twice (GET, HEAD, PUT, DELETE, OPTIONS).",
     "", to<&ProxyRoute::retries>, 0, 100},

    {Section::kUpstream, "servers", Kind::kServers, "",
     "The servers: \"http://10.0.0.5:8000\", \"unix:/run/api.sock\", or { url = \"...\", weight = 2 } for one that "
     "gets twice as much. Names may have several addresses: look_up. Required.",
     "", to<&Upstream::servers>},
    {Section::kUpstream, "balance", Kind::kChoice, "least_busy",
     "Which server gets a request: the one that runs fewest for its weight, each in turn, or for a client's address "
     "always the same.",
     "", to<&Upstream::balance>, 0, UINT64_MAX, "least_busy|round_robin|ip_hash", "cookie|random2"},
    {Section::kUpstream, "max_fails", Kind::kInteger, "3",
     "After how many failures in a row a server is left alone for 10 s; then one request tries it again. While no "
     "other is left it is asked all the same, unless connecting to it took too long. An answer that breaks off behind "
     "its head is no such failure. 0 is never.",
     "", to<&Upstream::max_fails>, 0, 1'000'000},
    {Section::kUpstream, "keepalive", Kind::kInteger, "64",
     "How many idle connections to each server are kept; 0 makes a new one for each request. A process of php-fpm that "
     "holds an idle connection serves nobody else: so, unless this is written, a connection to a FastCGI server takes "
     "one "
     "request, and while 32 or more run at once requests for 50 ms, or less if others have waited for 10 ms on new "
     "ones. "
     "If you write it, keep fewer, over all fronts, than the server has processes; it is then asked once whether it "
     "takes "
     "several requests at once on a connection, and where it does, up to 16 share one. Say 0 where PHP pages of a busy "
     "site call fastcgi_finish_request() and work on for long: what is sent on their connections would wait for them.",
     "", to<&Upstream::keepalive>, 0, 100'000},
    {Section::kUpstream, "look_up", Kind::kDuration, "10s",
     "How often names of servers are looked up again. Each address that a name has is a server: new ones get requests, "
     "one that is gone finishes those it has. A name that cannot be looked up keeps its addresses. 0 is at start "
     "alone.",
     "", to<&Upstream::look_up>, 0, kDay},

    {Section::kCheck, "path", Kind::kText, "",
     "What a server is asked for with GET, in the protocol of the route, query included; a status from 200 to 399 says "
     "that it is well. Below a route's `root` it is a script, or php-fpm's `ping.path`. "
     "Required.",
     "", to<&Upstream::Check::path>},
    {Section::kCheck, "every", Kind::kDuration, "5s",
     "How often each front asks each server, and how long the server may take to answer.", "",
     to<&Upstream::Check::every>, 100 * kMillisecond, kDay},
    {Section::kCheck, "fails", Kind::kInteger, "2",
     "After how many failed checks in a row a server gets no more requests. One that passes lets it back.", "",
     to<&Upstream::Check::fails>, 1, 1000},

    {Section::kGateway, "to", Kind::kText, "",
     "Who answers: the name of an `[upstream.NAME]`, or one server, \"127.0.0.1:3031\" or \"unix:/run/php.sock\"; "
     "with fastcgi also that of a `[pool.NAME]`, whose own timeout then counts. Required.",
     "", to<&ProxyDraft::to>},
    {Section::kGateway, "root", Kind::kPath, "",
     "fastcgi alone: the folder of the scripts, as the server sees it too. Only a script that is there is asked for, "
     "else the answer is 404, unless `files` or `fallback` says more; it gets SCRIPT_FILENAME. Without root the server "
     "knows what to run.",
     "", to<&ProxyRoute::root>},
    {Section::kGateway, "real_root", Kind::kChoice, "false",
     "With root: true says the folder that links on the way to root lead to (nginx's $realpath_root) in "
     "SCRIPT_FILENAME "
     "and DOCUMENT_ROOT. After a deployment has switched such a link PHP runs the new release at once, while of the "
     "link "
     "it remembers for realpath_cache_ttl, 120 s, where it led. Not for a server that sees the folder under another "
     "path, as in a container.",
     "", to<&ProxyRoute::real_root>, 0, UINT64_MAX, "true|false"},
    {Section::kGateway, "index", Kind::kText, "index.php", "With root: the script that answers for a folder.", "",
     to<&ProxyRoute::index>},
    {Section::kGateway, "split", Kind::kText, ".php",
     "With root: the ending of scripts. What the path has behind one is PATH_INFO. Static routes send no such file.",
     "", to<&ProxyRoute::split>},
    {Section::kGateway, "files", Kind::kChoice, "false",
     "With root: other files below it are sent as they are, by the rules of static routes (no hidden ones, no "
     "sources), "
     "index.html for a folder.",
     "", to<&ProxyRoute::files>, 0, UINT64_MAX, "true|false"},
    {Section::kGateway, "fallback", Kind::kText, "",
     "With root: the script that answers for every path without a file, \"/index.php\" for an application that "
     "routes by itself.",
     "", to<&ProxyRoute::fallback>},
    {Section::kGateway, "strip", Kind::kUrlPrefix, "",
     "What of the URL path becomes SCRIPT_NAME; the rest is PATH_INFO. Without it that is what a web server in front "
     "has "
     "said, if there is one, or nothing.",
     "", to<&ProxyRoute::strip>},
    {Section::kGateway, "buffer", Kind::kChoice, "true",
     "true: no server is asked before the request's body is complete, in memory or a spool file, so that none waits "
     "for "
     "a slow client. false: a body over 64 KiB is passed on as it comes; one without a length is taken in whole all "
     "the "
     "same, since these protocols must say it first.",
     "", to<&ProxyRoute::buffer>, 0, UINT64_MAX, "true|false"},
    {Section::kGateway, "sendfile", Kind::kFolders, "",
     "Folders of files that the servers may name instead of sending them: with X-Accel-Redirect: /protected/a.pdf, or "
     "with "
     "X-Sendfile and the file's path. The client gets the file with the other fields of the answer. Without it nobody "
     "gets such a file, or sees the name.",
     "", to<&ProxyRoute::sendfile>},
    {Section::kGateway, "timeout", Kind::kDuration, "60s",
     "Longest time a server may take for the head of its answer, counted from the end of the request (then the client "
     "gets 504), and between two pieces of the body (then the client sees a cut). When a body has taken that long, it "
     "must also come at 100 bytes a second, if its length is known, unless it has X-Accel-Buffering: no. No other "
     "server is asked after so long.",
     "", to<&ProxyRoute::timeout>, 10 * kMillisecond, 30 * kDay},
    {Section::kGateway, "connect_timeout", Kind::kDuration, "5s",
     "Longest time connecting to a server may take, within half of `timeout`; then the next one is asked.", "",
     to<&ProxyRoute::connect_timeout>, 10 * kMillisecond, kDay},
    {Section::kGateway, "retries", Kind::kInteger, "1",
     "How many other servers are asked when one cannot be reached or is overloaded, or closes the connection without "
     "an "
     "answer to a request that does no harm when sent twice (GET, HEAD, PUT, DELETE, OPTIONS).",
     "", to<&ProxyRoute::retries>, 0, 100},

    {Section::kAuth, "variables", Kind::kVariableNames, "",
     "Which variables the program sets: [\"REMOTE_USER\", \"X_ROLE\"]. What a client sends as a field of such a name, "
     "however it spells it, is removed from every request. A name that is not listed is known once the program has "
     "said "
     "it, after each start anew; until then what a client sends under that name is passed on, where the program says "
     "200 "
     "without it. REMOTE_USER is always known. Of a route to `cgi` the scripts get names that are listed, and without "
     "that "
     "those that begin with REMOTE_, AUTH_, SSL_, TLS_, GEOIP_, SERVER_ or REQUEST_ and their like alone (CW0613 says "
     "which did not reach "
     "them). A name that can never be passed on is an error: PATH_INFO, which requests have themselves, and for "
     "scripts "
     "one that loaders or interpreters obey, as LD_PRELOAD, PATH, HOME or PYTHONPATH.",
     "", to<&ProxyRoute::variables>},

    {Section::kCgi, "dir", Kind::kPath, "",
     "The folder of the scripts. What the URL path has behind the script's name is PATH_INFO; what is no script there "
     "is "
     "404. No static route sends anything of this folder, or, with suffixes, a file with one of them. Required.",
     "", to<&CgiRoute::root>},
    {Section::kCgi, "suffixes", Kind::kEndings, "",
     "The endings of scripts, such as [\".cgi\", \".py\"], compared byte by byte. Without it every file of the folder "
     "is "
     "one.",
     "", to<&CgiRoute::suffixes>},
    {Section::kCgi, "index", Kind::kText, "", "The script that answers for a folder; without it that is 404.", "",
     to<&CgiRoute::index>},
    {Section::kCgi, "strip", Kind::kUrlPrefix, "",
     "What of the URL path is not looked for in the folder; without it that is match.path.", "", to<&CgiRoute::strip>},
    {Section::kCgi, "interpreters", Kind::kPrograms, "",
     "Which program runs the scripts with an ending, by its name in PATH or its path: { \".py\" = \"python3\", "
     "\".php\" = "
     "\"php-cgi\" }. It is started in the script's folder with ./NAME as its only argument; the script need not be "
     "executable. Other scripts "
     "are executed themselves, which takes the right to, and #! in the first line where it is text.",
     "", to<&CgiRoute::interpreters>},
    {Section::kCgi, "env", Kind::kVariables, "",
     "Environment variables of the scripts. Beside these they have those of CGI/1.1, and PATH.", "",
     to<&CgiRoute::environment>},
    {Section::kCgi, "user", Kind::kText, "",
     "Whom the scripts run as when started as root; without it the owner of the script's folder. Never root, and never "
     "the user of the front. Where the owner decides, nobody else may own a part of the way from dir to the script, "
     "and "
     "no link is followed; what other users can write is never run.",
     "", to<&CgiRoute::user>},
    {Section::kCgi, "files", Kind::kChoice, "false",
     "With suffixes: other files below dir are sent as they are, by the rules of static routes (no hidden ones, no "
     "sources of scripts), index.html for a folder.",
     "", to<&CgiRoute::files>, 0, UINT64_MAX, "true|false"},
    {Section::kCgi, "warm", Kind::kChoice, "true",
     "true: scripts for Python (from 3.9 on) run in an interpreter that was started before, in a process of their own "
     "each. false: an interpreter is started for each request.",
     "", to<&CgiRoute::warm>, 0, UINT64_MAX, "true|false"},
    {Section::kCgi, "nph", Kind::kChoice, "false",
     "true: a script whose name begins with \"nph-\" writes an HTTP answer itself, status line included. It is read, "
     "checked and written anew.",
     "", to<&CgiRoute::nph>, 0, UINT64_MAX, "true|false"},
    {Section::kCgi, "timeout", Kind::kDuration, "30s",
     "Longest time a script may run; then it is ended with all that it started, and the client gets 504, or a cut when "
     "the answer had begun. While a client takes nothing of an answer that is too long to be kept for it, the time "
     "stands "
     "still.",
     "", to<&CgiRoute::timeout>, 10 * kMillisecond, 30 * kDay},
    {Section::kCgi, "max", Kind::kInteger, "16",
     "How many scripts run at once. They are shared out evenly to the fronts, one at least to each.", "",
     to<&CgiRoute::most>, 1, 10'000},
    {Section::kCgi, "queue", Kind::kInteger, "100",
     "How many requests may wait for others to end, in each front; one more is answered 503 with Retry-After.", "",
     to<&CgiRoute::queue>, 0, 100'000},
    {Section::kCgi, "queue_timeout", Kind::kDuration, "10s", "How long a request may wait so before its 503.", "",
     to<&CgiRoute::queue_timeout>, 10 * kMillisecond, kDay},

    {Section::kPool, "command", Kind::kCommand, "",
     "The program and its arguments: [\"php-cgi\"]. It speaks FastCGI on the socket that it finds as descriptor 0. No "
     "shell has a part in it: a text is split at blanks, with '...' and \"...\" for arguments that hold some. "
     "Required.",
     "", to<&Pool::command>},
    {Section::kPool, "processes", Kind::kProcesses, "",
     "How many there are: 4 is always four. { min = 1, max = 8, spare = 1, idle = \"60s\" } is as many as are needed, "
     "so "
     "that `spare` of them have nothing to do; one that has had nothing to do for `idle` ends, but for min of them. "
     "With "
     "min = 0 there is none until a request comes. Without it { min = 0, max = 8, spare = 0, idle = \"60s\" }. They "
     "are "
     "shared out evenly to the fronts, one at least to each.",
     "", to<&Pool::processes>},
    {Section::kPool, "root", Kind::kPath, "",
     "The working directory of the processes; without it the folder of the configuration file.", "", to<&Pool::root>},
    {Section::kPool, "user", Kind::kText, "",
     "Whom they run as when started as root; without it the owner of root. Never root, and never the user of the "
     "front.",
     "", to<&Pool::user>},
    {Section::kPool, "env", Kind::kVariables, "",
     "Environment variables of the processes. Beside these they have PATH, HOME, USER, LOGNAME and "
     "CUTWATER_POOL, the pool's name, and nothing else.",
     "", to<&Pool::environment>},
    {Section::kPool, "timeout", Kind::kDuration, "60s",
     "Longest time a process may be busy with a request; then the client gets 504, or a cut when the answer had begun, "
     "and that process alone is killed and replaced. While a client takes nothing of an answer that is too long to be "
     "kept for it, the time stands still.",
     "", to<&Pool::timeout>, 10 * kMillisecond, 30 * kDay},
    {Section::kPool, "slow", Kind::kDuration, "0",
     "A request that runs for longer is logged, with its URL and for how long it has run. 0 is never.", "",
     to<&Pool::slow>, 0, 30 * kDay},
    {Section::kPool, "max_requests", Kind::kInteger, "0",
     "After how many requests a process is replaced, up to a tenth fewer by chance, so that they do not all end at "
     "once. 0 is never.",
     "", to<&Pool::max_requests>, 0, 1'000'000'000},
    {Section::kPool, "queue", Kind::kInteger, "100",
     "How many requests may wait for a process, in each front; one more is answered 503 with Retry-After.", "",
     to<&Pool::queue>, 1, 100'000},
    {Section::kPool, "queue_timeout", Kind::kDuration, "10s", "How long a request may wait so before its 503.", "",
     to<&Pool::queue_timeout>, 10 * kMillisecond, kDay},
};

}  // namespace

std::span<const Setting> settings() {
  return kSettings;
}

const Setting* find_setting(Section section, std::string_view key) {
  for (const Setting& setting : kSettings) {
    if (setting.section == section && setting.key == key) return &setting;
  }
  return nullptr;
}

const Setting* find_flag(std::string_view flag) {
  for (const Setting& setting : kSettings) {
    if (!setting.flag.empty() && setting.flag == flag) return &setting;
  }
  return nullptr;
}

}  // namespace cutwater::config
