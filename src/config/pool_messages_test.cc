// Pools as somebody writes them, and what is said about them.
#include "config/config_file_test_support.h"

namespace cutwater::config {
namespace {

class PoolMessages : public ConfigFile {
 protected:
  // Below [pool.php], with a route that uses it.
  std::string messages(const std::string& pool, const std::string& more = "") {
    return ConfigFile::messages("[pool.php]\n" + pool + "\n" + more + kRoute);
  }
  static constexpr const char* kRoute =
      "[[site]]\n[[site.route]]\nmatch = { path = \"/*\" }\nfastcgi = { to = \"php\" }\n";
};

// The line of it that says what is wrong, and that which says what to do.
std::string gist(const std::string& message) {
  const size_t fix = message.find("\n  fix: ");
  const std::string first = message.substr(0, message.find('\n'));
  return fix == std::string::npos ? first
                                  : first + " | " + message.substr(fix + 8, message.find('\n', fix + 1) - fix - 8);
}

TEST_F(PoolMessages, DefaultsAndEverything) {
  EXPECT_EQ(messages("command = [\"php-cgi\", \"-d\", \"x=a b\"]"), "");
  ASSERT_EQ(config_.pools.size(), 1u);
  EXPECT_EQ(config_.pools[0].name, "php");
  EXPECT_EQ(config_.pools[0].command, (TextList{"php-cgi", "-d", "x=a b"}));
  EXPECT_EQ(config_.pools[0].processes, ProcessCount());
  EXPECT_EQ(config_.pools[0].root, "/srv/shop");
  EXPECT_EQ(config_.pools[0].timeout, std::chrono::seconds(60));
  EXPECT_EQ(config_.routes[0].proxy.pool, "php");
  EXPECT_EQ(config_.routes[0].proxy.upstream, "");
  EXPECT_EQ(
      messages("command = \"bin/app --name 'a b' \\\"\\\"\"\nuser = \"www\"\nroot = \"site\"\nenv = { A = \"b\" }\n"
               "processes = { min = 1, max = 3, spare = 2, idle = \"5s\" }\nmax_requests = 500\n"
               "timeout = \"5s\"\nslow = \"1s\"\nqueue = 7\nqueue_timeout = \"2s\""),
      "");
  EXPECT_EQ(config_.pools[0].command, (TextList{"/srv/shop/bin/app", "--name", "a b", ""}));
  EXPECT_EQ(config_.pools[0].processes, (ProcessCount{1, 3, 2, std::chrono::seconds(5)}));
  EXPECT_EQ(config_.pools[0].root, "/srv/shop/site");
  EXPECT_EQ(messages("command = \"php-cgi\"\nprocesses = 4"), "");
  EXPECT_EQ(config_.pools[0].processes, (ProcessCount{4, 4, 0, std::chrono::seconds(60)}));
}

TEST_F(PoolMessages, WrongValues) {
  const std::tuple<const char*, const char*> kWrong[] = {
      {"", "[CW0109] cutwater.toml:1:7: [pool.php] has no command | command = [\"php-cgi\"]"},
      {"command = []",
       "[CW0103] cutwater.toml:2:11: pool.php.command: is empty; it takes a program and its arguments | for example "
       "command = [\"php-cgi\"]"},
      {"command = \"php-cgi 'x\"",
       "[CW0103] cutwater.toml:2:11: pool.php.command: \"php-cgi 'x\" has a quote that is not closed | write a list: "
       "[\"php-cgi\"]"},
      {"command = 7",
       "[CW0102] cutwater.toml:2:11: pool.php.command: takes a list such as [\"php-cgi\"], not a number | for example "
       "command = [\"php-cgi\"]"},
      {"command = [\"a\", 7]",
       "[CW0102] cutwater.toml:2:17: pool.php.command: takes a list such as [\"php-cgi\"], not a number | for example "
       "command = [\"php-cgi\"]"},
      {"command = \"x\"\nprocesses = 0",
       "[CW0103] cutwater.toml:3:13: pool.php.processes: takes 1 to 1000 processes, not 0 | for example processes = { "
       "min = 0, max = 8 }"},
      {"command = \"x\"\nprocesses = \"4\"",
       "[CW0102] cutwater.toml:3:13: pool.php.processes: takes a number, or a table such as { min = 1, max = 8 }, not "
       "a "
       "text | for example processes = { min = 0, max = 8 }"},
      {"command = \"x\"\nprocesses = { min = 9 }",
       "[CW0103] cutwater.toml:3:13: pool.php.processes: min is more than max, which is 8 | raise max"},
      {"command = \"x\"\nprocesses = { max = 2, spare = 3 }",
       "[CW0103] cutwater.toml:3:13: pool.php.processes: spare is more than max, which is 2 | raise max"},
      {"command = \"x\"\nprocesses = { most = 2 }",
       "[CW0101] cutwater.toml:3:15: pool.php.processes: unknown key \"most\" | write min, max, spare and idle alone"},
      {"command = \"x\"\nprocesses = { max = 0 }",
       "[CW0103] cutwater.toml:3:21: pool.php.processes: max takes a number from 1 to 1000 | for example processes = { "
       "min = 0, max = 8 }"},
      {"command = \"x\"\nprocesses = { idle = 60 }",
       "[CW0103] cutwater.toml:3:22: pool.php.processes: idle takes a duration such as \"60s\", of 10ms at least | for "
       "example processes = { min = 0, max = 8 }"},
      {"command = \"x\"\ntimeout = 5",
       "[CW0102] cutwater.toml:3:11: pool.php.timeout: takes a duration such as \"30s\", not a number | give a unit: "
       "\"5s\""},
      {"command = \"x\"\nqueue = 0",
       "[CW0103] cutwater.toml:3:9: pool.php.queue: takes 1 to 100000, not 0 | for example queue = 100"},
      {"command = \"x\"\nmax_request = 5",
       "[CW0101] cutwater.toml:3:1: unknown key \"max_request\" in [pool.php]; did you mean \"max_requests\"? | write "
       "\"max_requests\""},
      {"command = \"x\"\nworkers = 5",
       "[CW0101] cutwater.toml:3:1: unknown key \"workers\" in [pool.php] | it belongs in [app.NAME]"},
      {"command = \"x\"\nmax_memory = \"1GB\"",
       "[CW0106] cutwater.toml:3:1: \"max_memory\" in [pool.php] is known, not in this version | remove it"},
      {"command = \"x\"\nenv = { PHP_FCGI_CHILDREN = \"4\" }",
       "[CW0108] cutwater.toml:3:1: pool.php.env: with PHP_FCGI_CHILDREN php-cgi starts processes of its own, that "
       "nobody counts | remove it; processes = 4 of the pool starts as many"},
  };
  for (const auto& [text, expected] : kWrong) {
    EXPECT_EQ(gist(messages(text)), expected) << text;
    EXPECT_TRUE(failed_) << text;
  }
}

TEST_F(PoolMessages, Names) {
  EXPECT_EQ(gist(ConfigFile::messages("[pool]\ncommand = \"php-cgi\"\n")),
            "[CW0102] cutwater.toml:2:1: pool.command: a pool needs a name | write [pool.php] instead of [pool]");
  EXPECT_EQ(gist(ConfigFile::messages("[pool.\"a b\"]\ncommand = \"php-cgi\"\n")),
            "[CW0103] cutwater.toml:1:7: \"a b\" cannot name a pool | use up to 64 letters, digits, \"-\" and \"_\"");
  EXPECT_EQ(
      gist(messages("command = \"x\"", "[upstream.php]\nservers = [\"127.0.0.1:9000\"]\n")),
      "[CW0108] cutwater.toml:1:7: [pool.php] and [upstream.php] have one name | rename one; `to` of a route names "
      "either");
}

TEST_F(PoolMessages, OneThatNobodyUses) {
  EXPECT_EQ(gist(ConfigFile::messages("[pool.php]\ncommand = \"php-cgi\"\n")),
            "[CW0119] cutwater.toml:1:7: [pool.php] is used by no route | write fastcgi = { to = \"php\", ... } in a "
            "route, or remove it");
  EXPECT_FALSE(failed_);
  const std::string filter =
      "[pool.php]\ncommand = \"x\"\n[[site]]\n[[site.route]]\nmatch = { path = \"/*\" }\nstatic = { root = \"a\" }\n"
      "filter = { fastcgi = { to = \"php\" } }\n";
  EXPECT_EQ(ConfigFile::messages(filter), "");
}

TEST_F(PoolMessages, AnUpstreamThatNobodyUses) {
  const std::string two =
      "[upstream.api]\nservers = [\"127.0.0.1:1\"]\n[upstream.old]\nservers = [\"127.0.0.1:2\"]\n[[site]]\n";
  const auto with = [&](const std::string& route) {
    return gist(ConfigFile::messages(two + "[[site.route]]\nmatch = { path = \"/*\" }\n" + route + "\n"));
  };
  EXPECT_EQ(with("proxy = { to = \"api\" }"),
            "[CW0119] cutwater.toml:3:11: [upstream.old] is used by no route | write proxy = { to = \"old\" }, or "
            "fastcgi, scgi or uwsgi, in a route, or remove it");
  EXPECT_FALSE(failed_);
  EXPECT_EQ(with("proxy = { to = \"api\" }\nauth = { fastcgi = { to = \"old\" } }"), "");
  EXPECT_EQ(with("static = { root = \"a\" }\nfilter = { fastcgi = { to = \"api\" } }\n"
                 "auth = { fastcgi = { to = \"old\" } }"),
            "");
}

TEST_F(PoolMessages, RoutesThatNameIt) {
  const auto with_route = [&](const std::string& answer) {
    return gist(ConfigFile::messages(
        "[pool.php]\ncommand = \"x\"\n[[site]]\n[[site.route]]\nmatch = { path = \"/*\" }\n" + answer + "\n"));
  };
  for (const char* protocol : {"proxy", "scgi", "uwsgi"}) {
    EXPECT_NE(
        with_route(std::string(protocol) + " = { to = \"php\" }")
            .find(protocol + std::string(".to: \"php\" is a pool, whose processes speak FastCGI | write fastcgi = { "
                                         "to = \"php\" }")),
        std::string::npos);
  }
  EXPECT_EQ(
      with_route("fastcgi = { to = \"php\", timeout = \"5s\" }"),
      "[CW0103] cutwater.toml:6:25: fastcgi.timeout: is for servers that somebody else runs, and \"php\" is a pool "
      "| remove it; [pool.php] has a timeout");
  EXPECT_EQ(
      with_route("fastcgi = { to = \"php\", retries = 2 }"),
      "[CW0103] cutwater.toml:6:25: fastcgi.retries: is for servers that somebody else runs, and \"php\" is a pool "
      "| remove it; whatever has not begun in a process goes to another one");
  EXPECT_EQ(
      with_route("fastcgi = { to = \"phb\" }"),
      "[CW0103] cutwater.toml:6:18: fastcgi.to: there is no [upstream.phb] and no [pool.phb] | did you mean \"php\"?");
}

}  // namespace
}  // namespace cutwater::config
