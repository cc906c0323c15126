// The messages a user sees for a wrong file, word for word.
#include "config/config_file_test_support.h"
#include "config/settings.h"

namespace cutwater::config {
namespace {

TEST_F(ConfigFile, EmptyIsValid) {
  EXPECT_EQ(messages(""), "");
}

TEST_F(ConfigFile, AppWithoutItsWord) {
  EXPECT_EQ(messages("[web]\nworkers = 2\n"),
            "[CW0101] cutwater.toml:1:2: unknown key \"web\" at the top level\n  1 | [web]\n    |  ^\n"
            "  fix: write [app.web], if it is meant to be an app\n");
  EXPECT_NE(messages("[web]\ncolour = 2\n").find("fix: remove it"), std::string::npos);
}

TEST_F(ConfigFile, Everything) {
  EXPECT_EQ(messages(R"(
front_user = "front"
fronts = 2
[[listen]]
addr = ":8080"
backlog = 100
trusted_proxies = ["10.0.0.0/8", "*"]
[[listen]]
addr = "unix:run/x.sock"
mode = "660"
[app.web]
root = "site"
target = "shop.wsgi:application"
protocol = "wsgi"
python = ".venv"
workers = 3
preload = true
watch = "deploy"
prefix = "/shop/"
user = "shop"
env = { A = "x", B = 1 }
timeout = "5s"
grace = "1m"
start_timeout = "2m"
queue = 7
queue_timeout = "500ms"
[limits]
header = "16KB"
header_count = 50
header_names = "refuse"
body = "1GB"
header_timeout = "3s"
body_min_rate = "1KB/s"
keepalive = "5s"
connections = 10
[log]
access = "access.log"
format = "json"
error = "/var/log/x.log"
level = "debug"
[shutdown]
grace = "9s"
[[site]]
[[site.route]]
match = { path = "/media/*" }
static = { root = "media", cache = "1h", index = "" }
)"),
            "");
  ASSERT_EQ(config_.listens.size(), 2u);
  EXPECT_EQ(config_.listens[0].address, ":8080");
  EXPECT_EQ(config_.listens[1].mode, 0660);
  EXPECT_EQ(config_.listens[0].trusted_proxies, (TextList{"10.0.0.0/8", "*"}));
  EXPECT_EQ(config_.listens[1].address, "unix:/srv/shop/run/x.sock");
  EXPECT_EQ(config_.listens[1].backlog, 2048);
  ASSERT_EQ(config_.apps.size(), 1u);
  const App& app = config_.apps[0];
  EXPECT_EQ(app.name, "web");
  EXPECT_EQ(app.root, "/srv/shop/site");
  EXPECT_EQ(app.workers, 3u);
  EXPECT_EQ(app.preload, "true");
  EXPECT_EQ(app.prefix, "/shop");
  EXPECT_EQ(app.environment, (TextMap{{"A", "x"}, {"B", "1"}}));
  EXPECT_EQ(app.queue_timeout, std::chrono::milliseconds(500));
  EXPECT_EQ(config_.limits.body, 1u << 30);
  EXPECT_EQ(config_.limits.header_names, "refuse");
  EXPECT_EQ(config_.limits.body_min_rate, 1024u);
  EXPECT_EQ(config_.log.access, "/srv/shop/access.log");
  EXPECT_EQ(config_.shutdown_grace, std::chrono::seconds(9));
  ASSERT_EQ(config_.static_routes.size(), 1u);
  EXPECT_EQ(config_.static_routes[0].prefix, "/media/");
  EXPECT_EQ(config_.static_routes[0].root, "/srv/shop/media");
  EXPECT_EQ(config_.static_routes[0].index, "");
  EXPECT_EQ(config_.static_routes[0].cache, base::Duration(std::chrono::hours(1)));
}

TEST_F(ConfigFile, UnknownKeyWithSuggestion) {
  EXPECT_EQ(messages("[app.web]\n  worker = 4\n"),
            "[CW0101] cutwater.toml:2:3: unknown key \"worker\" in [app.web]; did you mean \"workers\"?\n"
            "  2 |   worker = 4\n"
            "    |   ^\n"
            "  fix: write \"workers\"\n");
  EXPECT_EQ(messages("[limit_s]\n"),
            "[CW0101] cutwater.toml:1:2: unknown key \"limit_s\" at the top level; did you mean \"limits\"?\n"
            "  1 | [limit_s]\n"
            "    |  ^\n"
            "  fix: write \"limits\"\n");
  EXPECT_NE(messages("colour = 1\n").find("\n  fix: remove it; cutwater help settings lists what there is\n"),
            std::string::npos);
  EXPECT_NE(messages("wokers = 2\n").find("\n  fix: if it is meant to be \"workers\", that belongs in [app.NAME]\n"),
            std::string::npos);
  EXPECT_NE(messages("[limit]\n").find("; or did you mean \"limits\"?\n"), std::string::npos);
}

TEST_F(ConfigFile, KeyOfAnotherSection) {
  EXPECT_EQ(messages("[limits]\nworkers = 4\n"),
            "[CW0101] cutwater.toml:2:1: unknown key \"workers\" in [limits]\n"
            "  2 | workers = 4\n"
            "    | ^\n"
            "  fix: it belongs in [app.NAME]\n");
}

TEST_F(ConfigFile, LaterKeys) {
  EXPECT_EQ(messages("[app.web]\nmax_requests = 100\n"),
            "[CW0106] cutwater.toml:2:1: \"max_requests\" in [app.web] is known, not in this version\n"
            "  2 | max_requests = 100\n"
            "    | ^\n"
            "  fix: remove it; HUP replaces the workers without downtime meanwhile: kill -HUP PID\n");
  for (const char* text :
       {"include = [\"x\"]", "user = \"x\"", "[tls.main]\ncert = \"x\"", "[program.c]", "[metrics]",
        "[[listen]]\ntls = \"auto\"", "[[site]]\nhosts = [\"x\"]", "[[site]]\n[[site.route]]\nrespond = { code = 204 }",
        "[log]\nslow = \"2s\"", "[shutdown]\ndelay = \"5s\"", "[app.web]\nworkers = { min = 2 }",
        "[log]\nformat = \"gunicorn:%(h)s\"", "[log]\naccess = \"syslog\"", "[app.web]\nmax_memory = \"1GB\""}) {
    std::string all = messages(text);
    EXPECT_TRUE(all.starts_with("[CW0106]")) << text << "\n" << all;
    EXPECT_NE(all.find("known, not in this version"), std::string::npos) << all;
    EXPECT_NE(all.find("\n  fix: "), std::string::npos) << all;
    EXPECT_EQ(all.find("[CW", 1), std::string::npos) << "one problem, one message: " << all;
  }
}

TEST_F(ConfigFile, WrongTypes) {
  EXPECT_EQ(messages("[app.web]\ntimeout = 30\n"),
            "[CW0102] cutwater.toml:2:11: app.web.timeout: takes a duration such as \"30s\", not a number\n"
            "  2 | timeout = 30\n"
            "    |           ^\n"
            "  fix: give a unit: \"30s\"\n");
  EXPECT_EQ(messages("fronts = \"2\"\n"),
            "[CW0102] cutwater.toml:1:10: fronts: takes a number or \"auto\", not a text\n"
            "  1 | fronts = \"2\"\n"
            "    |          ^\n"
            "  fix: write it without quotes\n");
  EXPECT_TRUE(messages("[listen]\naddr = \":80\"\n").starts_with("[CW0102] cutwater.toml:1:1: listen: takes a list"));
  EXPECT_TRUE(
      messages("[app]\ntarget = \"x:y\"\n").starts_with("[CW0102] cutwater.toml:2:1: app.target: an app needs"));
  EXPECT_TRUE(messages("app = 3\n").starts_with("[CW0102] cutwater.toml:1:7: app: takes a table"));
  EXPECT_TRUE(messages("[app.web]\nqueue = 1.5\n").starts_with("[CW0102] cutwater.toml:2:9: app.web.queue"));
  EXPECT_TRUE(messages("[app.web]\nenv = { A = true }\n")
                  .starts_with("[CW0102] cutwater.toml:2:13: app.web.env: A takes a text, not true or false"));
  EXPECT_TRUE(messages("[[listen]]\ntrusted_proxies = [\"::1\", 5]\n").starts_with("[CW0102] cutwater.toml:2:27:"));
}

TEST_F(ConfigFile, WrongValues) {
  EXPECT_EQ(messages("[limits]\nheader = \"2TB\"\n"),
            "[CW0103] cutwater.toml:2:10: limits.header: takes 1KB to 1MB, not 2TB\n"
            "  2 | header = \"2TB\"\n"
            "    |          ^\n"
            "  fix: for example header = \"32KB\"\n");
  EXPECT_EQ(
      messages("[log]\nlevel = \"warn\"\n"),
      "[CW0103] cutwater.toml:2:9: log.level: \"warn\" is not one of \"debug\", \"info\", \"warning\", \"error\"\n"
      "  2 | level = \"warn\"\n"
      "    |         ^\n"
      "  fix: did you mean \"warning\"?\n");
  for (const char* text : {"[app.web]\nqueue = 0",
                           "[app.web]\nqueue = -1",
                           "[app.web]\nworkers = 100000",
                           "[app.web]\ntimeout = \"soon\"",
                           "[app.web]\nprefix = \"shop\"",
                           "[[listen]]\naddr = \"x\"",
                           "[[listen]]\ntrusted_proxies = [\"everyone\"]",
                           "[app.\"a b\"]",
                           "[app.web]\nroot = \"\"",
                           "[app.web]\nprefix = \"/a?b\"",
                           "[app.web]\nprefix = \"/a/../b\"",
                           "[app.web]\nprefix = \"/a%2fb\"",
                           "[[listen]]\nmode = \"999\"",
                           "[app.web]\nwebsocket_origins = [\"example.com\"]",
                           "[app.web]\nwebsocket_origins = [\"https://example.com/\"]",
                           "[app.web]\nwebsocket_origins = [\"https://*\"]",
                           "[app.web]\nwebsocket_origins = [\"*\"]",
                           "[limits]\nwebsocket_message = \"2GB\"",
                           "[limits]\nwebsocket_message = \"100B\"",
                           "[limits]\nwebsocket_unfinished = \"100B\"",
                           "[limits]\nwebsocket_ping = \"2d\"",
                           "[limits]\nwebsocket_ping = \"often\"",
                           "[app.web]\nuser = \"a\\u0000b\"",
                           "[app.web]\nenv = { \"A=B\" = \"x\" }"}) {
    std::string all = messages(text);
    EXPECT_TRUE(all.starts_with("[CW0103]")) << text << "\n" << all;
    EXPECT_NE(all.find("\n  fix: "), std::string::npos) << all;
  }
}

TEST_F(ConfigFile, EveryExampleWouldDo) {
  for (const Setting& setting : settings()) {
    if (setting.section != Section::kApp && setting.section != Section::kListen &&
        setting.section != Section::kLimits && setting.section != Section::kLog) {
      continue;
    }
    const std::string section = setting.section == Section::kApp ? "[app.web]" : section_title(setting.section);
    const std::string all = messages(section + "\n" + std::string(setting.key) + " = [[3]]\n");
    size_t at = all.find("fix: for example ");
    ASSERT_NE(at, std::string::npos) << all;
    const std::string example = all.substr(at + 17);
    // These are for unix sockets and what web servers speak.
    const bool is_of_unix = setting.kind == Kind::kUserList || setting.key == "mode" || setting.key == "owner" ||
                            (setting.key == "group" && setting.section == Section::kListen);
    const std::string place = is_of_unix ? "addr = \"unix:x\"\nprotocol = \"scgi\"\n" : "";
    EXPECT_EQ(messages(section + "\n" + place + example), "") << example;
  }
}

TEST_F(ConfigFile, SyntaxError) {
  EXPECT_EQ(messages("[app.web]\ntarget = \n").substr(0, 42), "[CW0104] cutwater.toml:2:10: not valid TOM");
  EXPECT_TRUE(messages("a = 1\na = 2\n").starts_with("[CW0104] cutwater.toml:2:"));
  EXPECT_TRUE(messages(std::string("a = \"\0\"", 7)).starts_with("[CW0104]"));
  EXPECT_TRUE(messages("a = 1\n [[#\n").starts_with("[CW0104] cutwater.toml:2:2: not valid TOML: a [table] needs"));
  EXPECT_TRUE(messages("a = 1 \xef\xbb\x9f\n").starts_with("[CW0104] cutwater.toml:1:7"));  // U+FEDF
}

TEST_F(ConfigFile, EveryProblemInTheOrderOfTheFile) {
  std::string all = messages("fronts = 0\n[app.web]\nworkes = 1\ntimeout = 1\n[log]\nlevel = \"x\"\n");
  size_t first = all.find("cutwater.toml:1:10");
  size_t second = all.find("cutwater.toml:3:1");
  size_t third = all.find("cutwater.toml:4:11");
  size_t fourth = all.find("cutwater.toml:6:9");
  EXPECT_NE(fourth, std::string::npos);
  EXPECT_LT(first, second);
  EXPECT_LT(second, third);
  EXPECT_LT(third, fourth);
}

TEST_F(ConfigFile, Variables) {
  environment_.set("SHOP_ROOT", "/srv/other").set("EMPTY", "");
  EXPECT_EQ(messages("[app.web]\nroot = \"${SHOP_ROOT}/x\"\ntarget = \"${NONE:-a:b}\"\nuser = \"${EMPTY:-me}\"\n"
                     "python = \"$${X}\"\n"),
            "");
  EXPECT_EQ(config_.apps[0].root, "/srv/other/x");
  EXPECT_EQ(config_.apps[0].target, "a:b");
  EXPECT_EQ(config_.apps[0].user, "me");
  EXPECT_EQ(config_.apps[0].python_setting, "${X}");
  EXPECT_EQ(messages("[app.web]\nuser = \"${NONE}\"\n"),
            "[CW0107] cutwater.toml:2:8: the variable NONE is not set\n"
            "  2 | user = \"${NONE}\"\n"
            "    |        ^\n"
            "  fix: set it, or give a default: ${NONE:-...}\n");
  EXPECT_TRUE(
      messages("[app.web]\nuser = \"${NONE\"\n").starts_with("[CW0107] cutwater.toml:2:8: \"${\" without \"}\""));
}

TEST_F(ConfigFile, StaticRoutes) {
  auto route = [](const std::string& match, const std::string& files) {
    return "[[site]]\n[[site.route]]\nmatch = { path = \"" + match + "\" }\nstatic = { " + files + " }\n";
  };
  EXPECT_EQ(messages(route("/a/b/*", "root = \"x\", strip = \"/a\"")), "");
  EXPECT_EQ(config_.static_routes[0].root, "/srv/shop/x/b");
  EXPECT_EQ(messages(route("/a/*", "root = \"x\", strip = \"\"")), "");
  EXPECT_EQ(config_.static_routes[0].root, "/srv/shop/x/a");
  EXPECT_EQ(messages(route("/*", "root = \".\"")), "");
  EXPECT_EQ(config_.static_routes[0].prefix, "/");
  EXPECT_EQ(config_.static_routes[0].root, "/srv/shop");
  EXPECT_EQ(config_.static_routes[0].index, "index.html");
  for (const char* path : {"static", "static/*", "/a*", "/a//b/*", "/*.png", "/a/../b/*", "/./*", ""}) {
    EXPECT_TRUE(messages(route(path, "root = \"x\"")).starts_with("[CW0103] cutwater.toml:3:18: match.path")) << path;
  }
  EXPECT_TRUE(messages(route("/a/*", "root = \"x\", strip = \"/b\"")).starts_with("[CW0103] cutwater.toml:4:32:"));
  EXPECT_TRUE(messages(route("/ab/*", "root = \"x\", strip = \"/a\"")).starts_with("[CW0103]"));
  EXPECT_TRUE(messages(route("/a/*", "index = \"x\"")).starts_with("[CW0109] cutwater.toml:4:1: static has no root"));
  EXPECT_TRUE(messages(route("/a/*", "root = \"x\", index = \"../x\"")).starts_with("[CW0103]"));
  EXPECT_TRUE(messages("[[site]]\n[[site.route]]\nstatic = { root = \"x\" }\n").starts_with("[CW0109]"));
  EXPECT_TRUE(messages("[[site]]\n[[site.route]]\nmatch = { path = \"/a/*\" }\n").starts_with("[CW0109]"));
  std::string two = route("/a/*", "root = \"x\"");
  EXPECT_TRUE(messages(two + two.substr(9)).starts_with("[CW0108]"));
}

TEST_F(ConfigFile, RoutesInTheOrderOfTheFile) {
  ASSERT_EQ(messages(R"([upstream.api]
servers = ["http://10.0.0.5:8000", { url = "unix:run/api.sock", weight = 2 }, "http://api.example"]
balance = "ip_hash"
max_fails = 0
keepalive = 7
[app.web]
[[site]]
  [[site.route]]
  match = { path = "/health" }
  app = "web"
  [[site.route]]
  match = { path = "/files/*" }
  static = { root = "files" }
  [[site.route]]
  match = { path = "/api/*" }
  proxy = { to = "api", strip = "/api", timeout = "3s", retries = 2 }
  [[site.route]]
  match = { path = "/robots.txt" }
  static = { root = "public" }
  [[site.route]]
  match = { path = "/*" }
  proxy = { to = "http://127.0.0.1:9000" }
)"),
            "");
  ASSERT_EQ(config_.routes.size(), 5u);
  EXPECT_EQ(config_.routes[0].path, "/health");
  EXPECT_TRUE(config_.routes[0].exact);
  EXPECT_EQ(config_.routes[0].app, "web");
  EXPECT_EQ(config_.routes[1].path, "/files/");
  EXPECT_EQ(config_.routes[1].static_route, 0u);
  const ProxyRoute& proxy = config_.routes[2].proxy;
  EXPECT_EQ(config_.routes[2].kind, Route::Kind::kProxy);
  EXPECT_EQ(proxy.upstream, "api");
  EXPECT_EQ(proxy.strip, "/api");
  EXPECT_EQ(proxy.timeout, std::chrono::seconds(3));
  EXPECT_EQ(proxy.retries, 2u);
  EXPECT_EQ(config_.static_routes.at(config_.routes[3].static_route).prefix, "/");
  EXPECT_TRUE(config_.routes[3].exact);
  EXPECT_EQ(config_.routes[4].proxy.upstream, "127.0.0.1:9000");
  ASSERT_EQ(config_.upstreams.size(), 2u);
  const Upstream& api = config_.upstreams[0];
  EXPECT_EQ(api.servers,
            (ServerList{{"10.0.0.5:8000", 1, true}, {"unix:/srv/shop/run/api.sock", 2}, {"api.example:80", 1, true}}));
  EXPECT_EQ(api.balance, "ip_hash");
  EXPECT_EQ(api.max_fails, 0u);
  EXPECT_EQ(api.keepalive, 7u);
  EXPECT_EQ(config_.upstreams[1].servers, (ServerList{{"127.0.0.1:9000", 1, true}}));
  EXPECT_EQ(config_.upstreams[1].keepalive, 64u);
}

TEST_F(ConfigFile, FoldersOfFilesThatAnswersMayName) {
  ASSERT_EQ(messages(R"([app.web]
sendfile = { "/b" = "media/b", "/a/" = "/srv/media" }
[[site]]
  [[site.route]]
  match = { path = "/api/*" }
  proxy = { to = "http://127.0.0.1:9000", sendfile = { "/x/" = "x" } }
  [[site.route]]
  match = { path = "/f/*" }
  uwsgi = { to = "127.0.0.1:9001", sendfile = { "/x/" = "y" } }
)"),
            "");
  std::string all;
  for (const NamedRoot& folder : sendfile_folders(config_)) all.append(folder.what).append(": ") += folder.root + "\n";
  EXPECT_EQ(all,
            "sendfile \"/x/\" of the route /api/: /srv/shop/x\n"
            "sendfile \"/x/\" of the route /f/: /srv/shop/y\n"
            "sendfile \"/a/\" of app.web: /srv/media\n"
            "sendfile \"/b/\" of app.web: /srv/shop/media/b\n");
  const std::pair<const char*, const char*> kCases[] = {
      {"\"/srv\"", "[CW0102] cutwater.toml:2:12: app.web.sendfile: takes a table such as"},
      {"{ \"x/\" = \"/srv\" }", "[CW0103] cutwater.toml:2:14: app.web.sendfile: \"x/\" is no path of URLs"},
      {"{ \"/x/../y/\" = \"/srv\" }", "[CW0103]"},
      {"{ \"/x/*\" = \"/srv\" }", "[CW0103]"},
      {"{ \"/x/\" = \"\" }", "[CW0103]"},
      {"{ \"/x/\" = 1 }", "[CW0103]"},
      {"{ \"/x/\" = \"/srv\", \"/x\" = \"/srv\" }", "[CW0103]"},
  };
  for (const auto& [value, message] : kCases) {
    const std::string found = messages(std::string("[app.web]\nsendfile = ") + value + "\n");
    EXPECT_TRUE(found.starts_with(message)) << value << "\n" << found;
  }
}

TEST_F(ConfigFile, WrongProxyRoutes) {
  const auto route = [](const std::string& answer) {
    return "[upstream.api]\nservers = [\"http://10.0.0.5:8000\"]\n[[site]]\n[[site.route]]\nmatch = { path = "
           "\"/a/*\" }\n" +
           answer + "\n";
  };
  EXPECT_EQ(messages(route("proxy = { to = \"ap\" }")),
            "[CW0103] cutwater.toml:6:16: proxy.to: there is no [upstream.ap]\n"
            "  6 | proxy = { to = \"ap\" }\n"
            "    |                ^\n"
            "  fix: did you mean \"api\"?\n");
  const std::pair<const char*, const char*> kCases[] = {
      {"proxy = {}", "[CW0109]"},
      {"proxy = \"api\"", "[CW0102]"},
      {"proxy = { to = \"https://x:1\" }", "[CW0106]"},
      {"proxy = { to = \"http://x:1/path\" }", "[CW0103]"},
      {"proxy = { to = \"http://user@x:1\" }", "[CW0103]"},
      {"proxy = { to = \"http://:1\" }", "[CW0103]"},
      {"proxy = { to = \"http://x:70000\" }", "[CW0103]"},
      {"proxy = { to = \"http://x:0\" }", "[CW0103]"},
      {"proxy = { to = \"\" }", "[CW0103]"},
      {"proxy = { to = \"fd:3\" }", "[CW0103]"},
      {"proxy = { to = \"unix:\" }", "[CW0103]"},
      {"proxy = { to = \"api\", strip = \"/b\" }", "[CW0103]"},
      {"proxy = { to = \"api\", retry = 1 }", "[CW0101]"},
      {"proxy = { to = \"api\", header_up = {} }", "[CW0106]"},
      {"proxy = { to = \"api\", buffer = 1 }", "[CW0102]"},
      {"proxy = { to = \"api\", timeout = 3 }", "[CW0102]"},
      {"proxy = { to = \"api\" }\napp = \"web\"", "[CW0108]"},
      {"app = \"wub\"", "[CW0103]"},
      {"app = { x = 1 }", "[CW0102]"},
      {"", "[CW0109]"},
      {"fastcgi = { to = \"x\" }", "[CW0103] cutwater.toml:6:18: fastcgi.to: there is no [upstream.x]"},
      {"uwsgi = {}", "[CW0109] cutwater.toml:6:1: uwsgi does not say where to"},
      {"scgi = { to = \"http://x:1\" }", "[CW0103]"},
      {"scgi = { to = \"127.0.0.1:1\", retry = 1 }", "[CW0101]"},
      {"uwsgi = { to = \"127.0.0.1:1\", buffer = 1 }", "[CW0102]"},
      {"uwsgi = { to = \"api\" }\nscgi = { to = \"api\" }", "[CW0108]"},
      {"cgi = { dir = \"x\" }", ""},
      {"cgi = {}", "[CW0109]"},
      {"cgi = { dir = \"x\", warm = \"no\" }", "[CW0103]"},
      {"cgi = { dir = \"x\", suffixes = [\"cgi\"] }", "[CW0103]"},
      {"cgi = { dir = \"x\", suffixes = [\".cgi\"], index = \"index.py\" }", "[CW0103]"},
      {"cgi = { dir = \"x\", index = \"a/index.cgi\" }", "[CW0103]"},
      {"cgi = { dir = \"x\", interpreters = { \".py\" = \"python3 -u\" } }", "[CW0103]"},
      {"cgi = { dir = \"x\", interpreters = { \".py\" = \"bin/python3\" } }", "[CW0103]"},
      {"cgi = { dir = \"x\", interpreters = { \"py\" = \"python3\" } }", "[CW0103]"},
      {"cgi = { dir = \"x\", strip = \"/other\" }", "[CW0103]"},
      {"cgi = { dir = \"x\", max = 0 }", "[CW0103]"},
      {"fastcgi = { to = \"127.0.0.1:1\", index = \"i.php\" }",
       "[CW0103] cutwater.toml:6:33: fastcgi.index: needs root"},
      {"fastcgi = { to = \"127.0.0.1:1\", root = \"x\", index = \"i.html\" }", "[CW0103]"},
      {"fastcgi = { to = \"127.0.0.1:1\", root = \"x\", split = \"/\" }", "[CW0103]"},
      {"fastcgi = { to = \"127.0.0.1:1\", files = true }", "[CW0103] cutwater.toml:6:33: fastcgi.files: needs root"},
      {"fastcgi = { to = \"127.0.0.1:1\", root = \"x\", files = \"yes\" }", "[CW0103]"},
      {"fastcgi = { to = \"127.0.0.1:1\", root = \"x\", fallback = \"index.php\" }",
       "[CW0103] cutwater.toml:6:45: fastcgi.fallback: \"index.php\" is no path of a script below root"},
      {"fastcgi = { to = \"127.0.0.1:1\", root = \"x\", fallback = \"/index.html\" }", "[CW0103]"},
      {"scgi = { to = \"127.0.0.1:1\", fallback = \"/a.php\" }", "[CW0103]"},
      {"uwsgi = { to = \"127.0.0.1:1\", root = \"x\" }",
       "[CW0103] cutwater.toml:6:31: uwsgi.root: is for fastcgi alone"},
      {"app = \"web\"\nauth = { basic_file = \"x\" }", "[CW0106]"},
      {"app = \"web\"\nauth = {}", "[CW0109]"},
      {"app = \"web\"\nauth = { fastcgi = { to = \"ap\" } }", "[CW0103] cutwater.toml:7:27: fastcgi.to"},
      {"app = \"web\"\nauth = { fastcgi = { to = \"127.0.0.1:1\", root = \"x\" } }", "[CW0103]"},
      {"app = \"web\"\nfilter = { fastcgi = { to = \"127.0.0.1:1\" } }",
       "[CW0108] cutwater.toml:7:1: filter: is for the files of static alone"},
      {"static = { root = \"x\" }\nfilter = {}", "[CW0109] cutwater.toml:7:1: filter is empty"},
      {"static = { root = \"x\" }\nfilter = { scgi = {} }", "[CW0101]"},
      {"static = { root = \"x\" }\nfilter = { fastcgi = {} }", "[CW0109]"},
      {"static = { root = \"x\" }\nfilter = { fastcgi = { to = \"127.0.0.1:1\", root = \"x\" } }",
       "[CW0103] cutwater.toml:7:44: filter.fastcgi.root: a filter knows what to run"},
      {"app = \"web\"\nauth = { fastcgi = { to = \"127.0.0.1:1\", sendfile = { \"/x/\" = \"x\" } } }", "[CW0103]"},
      {"filter = { fastcgi = { to = \"127.0.0.1:1\" } }", "[CW0109]"},
  };
  for (const auto& [answer, code] : kCases) {
    const std::string found = messages(route(answer));
    EXPECT_TRUE(found.starts_with(code)) << answer << "\n" << found;
    EXPECT_EQ(found.find("[CW", 1), std::string::npos) << answer << "\n" << found;
  }
  const std::string twice = route("app = \"web\"");
  EXPECT_TRUE(messages(twice + twice.substr(twice.find("[[site.route]]"))).starts_with("[CW0108]"));
}

TEST_F(ConfigFile, Scripts) {
  const std::string text = R"(
[[site]]
[[site.route]]
match = { path = "/cgi-bin/*" }
cgi = { dir = "cgi-bin/" }
[[site.route]]
match = { path = "/a/b/*" }
[site.route.cgi]
dir = "/srv/b"
strip = "/a"
suffixes = [".cgi", ".py"]
index = "index.py"
nph = true
user = "cgi"
interpreters = { ".py" = "python3", ".php" = "/usr/bin/php-cgi" }
env = { A = "x" }
timeout = "5s"
max = 3
queue = 0
queue_timeout = "1s"
)";
  EXPECT_EQ(messages(text), "");
  ASSERT_EQ(config_.routes.size(), 2u);
  CgiRoute plain;
  plain.root = "/srv/shop/cgi-bin";
  plain.strip = "/cgi-bin";
  EXPECT_EQ(config_.routes[0].cgi, plain);
  EXPECT_EQ(script_root(config_.routes[0]), plain.root);
  CgiRoute full;
  full.root = "/srv/b";
  full.strip = "/a";
  full.suffixes = {".cgi", ".py"};
  full.index = "index.py";
  full.nph = "true";
  full.user = "cgi";
  full.interpreters = {{".py", "python3"}, {".php", "/usr/bin/php-cgi"}};
  full.environment = {{"A", "x"}};
  full.timeout = std::chrono::seconds(5);
  full.most = 3;
  full.queue = 0;
  full.queue_timeout = std::chrono::seconds(1);
  EXPECT_EQ(config_.routes[1].cgi, full);
}

TEST_F(ConfigFile, WrongUpstreams) {
  const std::pair<const char*, const char*> kCases[] = {
      {"[upstream]\nservers = [\"http://x:1\"]",
       "[CW0102] cutwater.toml:2:1: upstream.servers: an upstream needs a name"},
      {"[upstream.api]", "[CW0109]"},
      {"[upstream.api]\nservers = []", "[CW0103]"},
      {"[upstream.api]\nservers = \"http://x:1\"", "[CW0102]"},
      {"[upstream.api]\nservers = [1]", "[CW0102]"},
      {"[upstream.api]\nservers = [{ weight = 2 }]", "[CW0102]"},
      {"[upstream.api]\nservers = [{ url = \"http://x:1\", weight = 0 }]", "[CW0103]"},
      {"[upstream.api]\nservers = [{ url = \"http://x:1\", wait = 1 }]", "[CW0101]"},
      {"[upstream.api]\nservers = [\"http://x:1\"]\nbalance = \"least_bussy\"", "[CW0103]"},
      {"[upstream.api]\nservers = [\"http://x:1\"]\nbalance = \"random2\"", "[CW0106]"},
      {"[upstream.api]\nservers = [\"http://x:1\"]\ncheck = {}", "[CW0109]"},
      {"[upstream.api]\nservers = [\"http://x:1\"]\ncheck = \"/readyz\"", "[CW0102]"},
      {"[upstream.api]\nservers = [\"http://x:1\"]\ncheck = { path = \"readyz\" }", "[CW0103]"},
      {"[upstream.api]\nservers = [\"http://x:1\"]\ncheck = { path = \"/a b\" }", "[CW0103]"},
      {"[upstream.api]\nservers = [\"http://x:1\"]\ncheck = { path = \"/\", fails = 0 }", "[CW0103]"},
      {"[upstream.api]\nservers = [\"http://x:1\"]\ncheck = { path = \"/\", evry = \"1s\" }", "[CW0101]"},
      {"[upstream.\"a b\"]\nservers = [\"http://x:1\"]", "[CW0103]"},
      {"upstream = 1", "[CW0102]"},
  };
  for (const auto& [text, code] : kCases) {
    const std::string found = messages(std::string(text) + "\n");
    EXPECT_TRUE(found.starts_with(code)) << text << "\n" << found;
    EXPECT_EQ(found.find("[CW", 1), std::string::npos) << text << "\n" << found;
  }
}

TEST(Settings, DefaultsAreThoseOfTheModel) {
  Config from_table;
  Listen listen;
  listen.address = listen.protocol = "";
  listen.backlog = 0;
  listen.trusted_proxies = listen.trusted_users = {};
  App app;
  ProxyDraft proxy;
  proxy.timeout = proxy.connect_timeout = proxy.tunnel_timeout = base::Duration(0);
  proxy.retries = 0;
  proxy.buffer = "";
  Upstream upstream;
  upstream.balance = "";
  upstream.max_fails = upstream.keepalive = 0;
  upstream.look_up = {};
  Scope scope{.config = &from_table, .listen = &listen, .app = &app, .proxy = &proxy, .upstream = &upstream};
  for (Section section : {Section::kTop, Section::kListen, Section::kApp, Section::kLimits, Section::kLog,
                          Section::kShutdown, Section::kProxy, Section::kUpstream}) {
    store_defaults(section, scope);
  }
  upstream.check = {.path = "/", .every = {}, .fails = 0};
  store_defaults(Section::kCheck, scope);
  EXPECT_EQ(upstream.check.every, Upstream().check.every);
  EXPECT_EQ(upstream.check.fails, Upstream().check.fails);
  ProxyDraft gateway;
  gateway.timeout = base::Duration(0);
  Scope gateway_scope{.proxy = &gateway};
  store_defaults(Section::kGateway, gateway_scope);
  EXPECT_EQ(gateway.timeout, proxy.timeout);
  EXPECT_EQ(gateway.buffer, "true");
  EXPECT_EQ(proxy.buffer, ProxyRoute().buffer);
  EXPECT_EQ(proxy.timeout, ProxyRoute().timeout);
  EXPECT_EQ(proxy.connect_timeout, ProxyRoute().connect_timeout);
  EXPECT_EQ(proxy.tunnel_timeout, ProxyRoute().tunnel_timeout);
  EXPECT_EQ(proxy.retries, ProxyRoute().retries);
  EXPECT_EQ(upstream.balance, Upstream().balance);
  EXPECT_EQ(upstream.max_fails, Upstream().max_fails);
  EXPECT_EQ(upstream.keepalive, Upstream().keepalive);
  EXPECT_EQ(upstream.look_up, Upstream().look_up);
  EXPECT_EQ(listen.address, Listen().address);
  EXPECT_EQ(listen.backlog, Listen().backlog);
  EXPECT_EQ(listen.mode, Listen().mode);
  EXPECT_EQ(listen.protocol, Listen().protocol);
  EXPECT_EQ(listen.trusted_proxies, Listen().trusted_proxies);
  EXPECT_EQ(listen.trusted_users, Listen().trusted_users);
  EXPECT_EQ(app.timeout, App().timeout);
  EXPECT_EQ(app.grace, App().grace);
  EXPECT_EQ(app.queue, App().queue);
  EXPECT_EQ(app.watch, App().watch);
  EXPECT_EQ(from_table.limits.header, Limits().header);
  EXPECT_EQ(from_table.limits.body, Limits().body);
  EXPECT_EQ(from_table.limits.keepalive, Limits().keepalive);
  EXPECT_EQ(from_table.limits.connections, Limits().connections);
  EXPECT_EQ(from_table.limits.websocket_message, Limits().websocket_message);
  EXPECT_EQ(from_table.limits.websocket_unfinished, Limits().websocket_unfinished);
  EXPECT_EQ(from_table.limits.websocket_ping, Limits().websocket_ping);
  EXPECT_EQ(from_table.log.access, Log().access);
  EXPECT_EQ(from_table.shutdown_grace, Config().shutdown_grace);
}

TEST(Settings, FlagsAreUnique) {
  std::map<std::string_view, int> flags;
  for (const Setting& setting : settings()) {
    EXPECT_FALSE(setting.help.empty());
    EXPECT_TRUE(setting.help.ends_with('.')) << setting.key;
    if (setting.flag.empty()) continue;
    EXPECT_EQ(++flags[setting.flag], 1) << setting.flag;
  }
}

}  // namespace
}  // namespace cutwater::config
