// Routes and listeners as somebody writes them who comes from another web server: what is said about them.
#include "config/config_file_test_support.h"

namespace cutwater::config {
namespace {

class RouteMessages : public ConfigFile {
 protected:
  // The first of its routes begins the site.
  std::string messages(std::string text) {
    if (const size_t first = text.find("[[site.route]]"); first != std::string::npos) text.insert(first, "[[site]]\n");
    return ConfigFile::messages(text);
  }
};

std::string route(const std::string& path, const std::string& answer) {
  return "[[site.route]]\nmatch = { path = \"" + path + "\" }\n" + answer + "\n";
}

constexpr const char* kAuth = "auth = { fastcgi = { to = \"127.0.0.1:9001\" } }\n";

std::string fix_of(const std::string& message) {
  const size_t fix = message.find("\n  fix: ");
  return fix == std::string::npos ? "no fix: " + message
                                  : message.substr(fix + 8, message.find('\n', fix + 1) - fix - 8);
}

TEST_F(RouteMessages, RouteThatIsNeverReached) {
  const std::string all = route("/*", "app = \"web\"");
  EXPECT_EQ(
      messages(all + route("/api/*", kAuth + std::string("app = \"web\""))),
      "[CW0116] cutwater.toml:6:1: the route \"/api/*\" is never reached, nor is its auth asked: \"/*\" of line 3 "
      "takes all that it could, and the first route that takes a path answers it\n"
      "  6 | match = { path = \"/api/*\" }\n"
      "    | ^\n"
      "  fix: move it above the one of line 3, or remove it\n");
  EXPECT_TRUE(failed_);
  const std::string unguarded = messages(all + route("/api/*", "app = \"web\""));
  EXPECT_TRUE(unguarded.starts_with("[CW0116] cutwater.toml:6:1: the route \"/api/*\" is never reached: "))
      << unguarded;
  EXPECT_FALSE(failed_);
  EXPECT_EQ(config_.routes.size(), 2u);
}

TEST_F(RouteMessages, RoutesThatAreReached) {
  const std::pair<const char*, const char*> kReached[] = {
      {"/api/*", "/*"},      {"/api", "/api/*"}, {"/api/*", "/apis/*"}, {"/api/*", "/apis"},
      {"/api/v1/*", "/api"}, {"/", "/a"},        {"/api", "/api/v1"},
  };
  for (const auto& [first, second] : kReached) {
    EXPECT_EQ(messages(route(first, "app = \"web\"") + route(second, "app = \"web\"")), "") << first << " " << second;
  }
  const std::pair<const char*, const char*> kNever[] = {
      {"/api/*", "/api"}, {"/api/*", "/api/v1"}, {"/api/*", "/api/v1/*"}, {"/*", "/"}, {"/*", "/a"},
  };
  for (const auto& [first, second] : kNever) {
    const std::string found = messages(route(first, "app = \"web\"") + route(second, "app = \"web\""));
    EXPECT_TRUE(found.starts_with("[CW0116]")) << first << " " << second << "\n" << found;
    EXPECT_EQ(found.find("[CW", 1), std::string::npos) << found;
  }
  const std::string twice = messages(route("/a", "app = \"web\"") + route("/a", "app = \"web\""));
  EXPECT_TRUE(twice.starts_with("[CW0108] cutwater.toml:6:1: two routes match \"/a\", this one and that of line 3"))
      << twice;
}

TEST_F(RouteMessages, OneSlipIsOneMessage) {
  for (const std::string& text : {route("/*", "fastgci = { to = \"127.0.0.1:9000\" }"),
                                  std::string("[upstream.api]\nserver = [\"127.0.0.1:8000\"]\n")}) {
    const std::string found = messages(text);
    EXPECT_TRUE(found.starts_with("[CW0101]")) << found;
    EXPECT_EQ(found.find("[CW", 1), std::string::npos) << found;
    EXPECT_TRUE(failed_);
  }
}

TEST_F(RouteMessages, ServersOfAnotherProtocol) {
  const std::string upstream = "[upstream.api]\nservers = [\"10.0.0.5:8000\", \"http://10.0.0.6:8000\"]\n";
  const std::string message = ".to: \"api\": is a server of another protocol\n";
  for (const std::string word : {"fastcgi", "scgi", "uwsgi"}) {
    const std::string found = messages(upstream + route("/a/*", word + " = { to = \"api\" }"));
    EXPECT_NE(found.find(word + message), std::string::npos) << found;
    EXPECT_EQ(fix_of(found), "write its servers without \"http://\", or proxy = {...} for those that speak HTTP");
  }
  for (const std::string word : {"auth", "filter"}) {
    const std::string found =
        messages(upstream + route("/a/*", "static = { root = \"x\" }\n" + word + " = { fastcgi = { to = \"api\" } }"));
    EXPECT_NE(found.find("fastcgi" + message), std::string::npos) << found;
    EXPECT_EQ(found.find("[CW", 1), std::string::npos) << found;
  }
  EXPECT_EQ(messages(upstream + route("/a/*", "proxy = { to = \"api\" }")), "");
}

TEST_F(RouteMessages, OneServerInTwoProtocols) {
  const std::string proxied = route("/a/*", "proxy = { to = \"http://127.0.0.1:9000\" }");
  const std::string by_uwsgi = messages(proxied + route("/b/*", "uwsgi = { to = \"127.0.0.1:9000\" }"));
  EXPECT_NE(by_uwsgi.find("is a server of another protocol: by line 4 it is asked by proxy\n"), std::string::npos)
      << by_uwsgi;
  EXPECT_EQ(fix_of(by_uwsgi), "write proxy = {...} here too, or the address of another server");
  const std::string scgi = route("/a/*", "scgi = { to = \"127.0.0.1:9000\" }");
  const std::string fastcgi = route("/b/*", "fastcgi = { to = \"127.0.0.1:9000\" }");
  const std::string found = messages(scgi + fastcgi);
  EXPECT_TRUE(
      found.starts_with("[CW0103] cutwater.toml:7:18: fastcgi.to: \"127.0.0.1:9000\": is a server of another "
                        "protocol: by line 4 it is asked by scgi\n"))
      << found;
  EXPECT_EQ(found.find("[CW", 1), std::string::npos) << found;
  const std::string http = route("/c/*", "proxy = { to = \"http://127.0.0.1:9000\" }");
  EXPECT_TRUE(messages(http + fastcgi).starts_with("[CW0103] cutwater.toml:7:18: fastcgi.to"));
  EXPECT_TRUE(messages(fastcgi + http).starts_with("[CW0103] cutwater.toml:7:16: proxy.to"));
  EXPECT_EQ(messages(fastcgi + route("/c/*", "fastcgi = { to = \"127.0.0.1:9000\", strip = \"/c\" }")), "");
}

TEST_F(RouteMessages, DirectivesOfNginx) {
  EXPECT_EQ(messages(route("/a/*", "fastcgi_pass = \"unix:/run/php.sock\"")),
            "[CW0101] cutwater.toml:4:1: unknown key \"fastcgi_pass\" in [[site.route]]\n"
            "  4 | fastcgi_pass = \"unix:/run/php.sock\"\n"
            "    | ^\n"
            "  fix: write fastcgi = { to = \"unix:/run/php.sock\" }\n");
  const std::pair<const char*, const char*> kCases[] = {
      {"proxy_pass = \"http://127.0.0.1:8000/\"", "write proxy = { to = \"http://127.0.0.1:8000\" }"},
      {"proxy_pass = \"http://unix:/run/g.sock:/a/\"", "write proxy = { to = \"unix:/run/g.sock\" }"},
      {"proxy_pass = \"http://backend\"", "write proxy = { to = \"http://backend\" }"},
      {"uwsgi_pass = \"/run/u.sock\"", "write uwsgi = { to = \"unix:/run/u.sock\" }"},
      {"uwsgi_pass = \"backend\"", "write uwsgi = { to = \"backend\" }"},
      {"scgi_pass = \"127.0.0.1:4000\"", "write scgi = { to = \"127.0.0.1:4000\" }"},
      {"fastcgi_pass = 3", "write fastcgi = { to = \"...\" }"},
  };
  for (const auto& [answer, fix] : kCases) {
    const std::string found = messages(route("/a/*", answer));
    EXPECT_EQ(fix_of(found), fix);
    EXPECT_EQ(found.find("[CW", 1), std::string::npos) << found;
  }
  const std::string nothing = messages(route("/a/*", ""));
  for (const char* answer : {"app", "static", "proxy", "fastcgi", "scgi", "uwsgi"}) {
    EXPECT_NE(fix_of(nothing).find(answer), std::string::npos) << nothing;
  }
}

TEST_F(RouteMessages, ServersAsOthersWriteThem) {
  const std::pair<const char*, const char*> kCases[] = {
      {"fastcgi = { to = \"/run/php/php-fpm.sock\" }", "write \"unix:/run/php/php-fpm.sock\""},
      {"fastcgi = { to = \"run/php-fpm.sock\" }", "write \"unix:run/php-fpm.sock\""},
      {"fastcgi = { to = \"fastcgi://127.0.0.1:9000\" }", "write \"127.0.0.1:9000\""},
      {"fastcgi = { to = \"uwsgi://127.0.0.1:3031\" }", "write uwsgi = { to = \"127.0.0.1:3031\" }"},
      {"proxy = { to = \"scgi://127.0.0.1:4000\" }", "write scgi = { to = \"127.0.0.1:4000\" }"},
      {"uwsgi = { to = \"uwsgi:127.0.0.1:3031\" }", "write \"127.0.0.1:3031\""},
      {"uwsgi = { to = \"tcp://127.0.0.1:3031\" }", "write \"127.0.0.1:3031\""},
      {"proxy = { to = \"http://unix:/run/g.sock\" }", "write \"unix:/run/g.sock\""},
      {"proxy = { to = \"http://unix:/run/g.sock:/\" }", "write \"unix:/run/g.sock\""},
      {"proxy = { to = \"http://user@x:1/path\" }", "write \"http://x:1\""},
      {"proxy = { to = \"127.0.0.1\" }", "write \"http://127.0.0.1\""},
      {"scgi = { to = \"127.0.0.1:x\" }",
       "write \"127.0.0.1:9000\", \"unix:/run/api.sock\" or the name of an [upstream.NAME]"},
  };
  for (const auto& [answer, fix] : kCases) {
    const std::string found = messages(route("/a/*", answer));
    EXPECT_TRUE(found.starts_with("[CW0103]")) << found;
    EXPECT_EQ(fix_of(found), fix) << found;
  }
}

TEST_F(RouteMessages, ServersOfAnUpstream) {
  const std::pair<const char*, const char*> kCases[] = {
      {"/run/g.sock", "write \"unix:/run/g.sock\""},
      {"http://unix:/run/g.sock:/", "write \"unix:/run/g.sock\""},
      {"http://10.0.0.5:8000/x", "write \"http://10.0.0.5:8000\""},
      {"fastcgi://10.0.0.5:9000", "write \"10.0.0.5:9000\" here, and fastcgi = {...} in the route"},
      {"10.0.0.5:x", "write \"http://10.0.0.5:8000\" or \"unix:/run/api.sock\""},
  };
  for (const auto& [server, fix] : kCases) {
    EXPECT_EQ(fix_of(messages("[upstream.a]\nservers = [\"" + std::string(server) + "\"]\n")), fix);
  }
  const std::string twice =
      messages("[upstream.a]\nservers = [\"http://x:1\", \"y:1\", \"x:1\"]\n" + route("/*", "proxy = { to = \"a\" }"));
  EXPECT_TRUE(twice.starts_with("[CW0118] cutwater.toml:2:33: upstream.a.servers: \"x:1\" is there twice")) << twice;
  EXPECT_FALSE(failed_);
}

TEST_F(RouteMessages, ListenersAsOthersWriteThem) {
  const std::pair<const char*, const char*> kCases[] = {
      {"/tmp/s.sock", "write \"unix:/tmp/s.sock\""},
      {"http://127.0.0.1:8000/", "write \"127.0.0.1:8000\""},
      {"http://unix:/tmp/s.sock", "write \"unix:/tmp/s.sock\""},
      {"fastcgi:127.0.0.1:9000",
       "in [[listen]] of cutwater.toml: addr = \"127.0.0.1:9000\" and protocol = \"fastcgi\""},
      {"uwsgi://:3031", "in [[listen]] of cutwater.toml: addr = \":3031\" and protocol = \"uwsgi\""},
      {"127.0.0.1", "for example addr = \"127.0.0.1:8000\""},
      {"::1:8000", "for example addr = \"127.0.0.1:8000\""},
  };
  for (const auto& [address, fix] : kCases) {
    const std::string found = messages("[[listen]]\naddr = \"" + std::string(address) + "\"\n");
    EXPECT_EQ(fix_of(found), fix) << found;
  }
  const std::string found = messages("[[listen]]\naddr = \"fastcgi:127.0.0.1:0\"\n");
  EXPECT_NE(found.find("cannot be listened on: it has no \"fastcgi:\" before it\n"), std::string::npos) << found;
}

TEST_F(RouteMessages, OtherNamesOfProtocols) {
  for (const char* word : {"fcgi", "php-fpm", "fastcgi://", "fast-cgi", "fascgi"}) {
    const std::string found = messages("[[listen]]\nprotocol = \"" + std::string(word) + "\"\n");
    EXPECT_EQ(fix_of(found), "did you mean \"fastcgi\"?") << found;
  }
  for (const char* word : {"http1", "https", "http/1.1"}) {
    const std::string found = messages("[[listen]]\nprotocol = \"" + std::string(word) + "\"\n");
    EXPECT_EQ(fix_of(found), "did you mean \"http\"?") << found;
  }
  EXPECT_EQ(fix_of(messages("[[listen]]\nprotocol = \"sgi\"\n")), "did you mean \"scgi\"?");
  EXPECT_EQ(fix_of(messages(route("/*", "app = \"web\"\nfcgi = {}"))), "write \"fastcgi\"");
  EXPECT_EQ(fix_of(messages(route("/*", "app = \"web\"\nhttp = {}"))), "write \"proxy\"");
}

TEST_F(RouteMessages, PathWithoutMatch) {
  const std::string found = messages("[[site.route]]\npath = \"/api*\"\napp = \"web\"\n");
  EXPECT_EQ(found,
            "[CW0101] cutwater.toml:3:1: unknown key \"path\" in [[site.route]]\n"
            "  3 | path = \"/api*\"\n"
            "    | ^\n"
            "  fix: write match = { path = \"/api/*\" }\n");
  EXPECT_EQ(fix_of(messages("[[site.route]]\npath = \"/\"\napp = \"web\"\n")), "write match = { path = \"/\" }");
  EXPECT_EQ(fix_of(messages("[[site.route]]\npath = \"/a/b\"\napp = \"web\"\n")), "write match = { path = \"/a/b\" }");
}

TEST_F(RouteMessages, PatternsAsOthersWriteThem) {
  const std::pair<const char*, const char*> kCases[] = {
      {"/api*", "/api/*"}, {"api", "/api/*"},       {"api/*", "/api/*"},        {"*", "/*"},
      {"", "/*"},          {"/a//b/*", "/a/b/*"},   {"/img/*.png", "/img/*"},   {"/a/../b/*", "/a/b/*"},
      {"/a?b", "/a/*"},    {"^/api/", "/static/*"}, {"~ [.]png$", "/static/*"}, {"http://x/api", "/api/*"},
  };
  for (const auto& [written, meant] : kCases) {
    const std::string found = messages(route(written, "app = \"web\""));
    EXPECT_TRUE(found.starts_with("[CW0103] cutwater.toml:3:18: match.path")) << found;
    EXPECT_EQ(fix_of(found), "match = { path = \"" + std::string(meant) + "\" }") << found;
  }
  EXPECT_EQ(fix_of(messages(route("/*.php", "app = \"web\""))),
            "match = { path = \"/*\" }; fastcgi = { root = \"...\" } asks for scripts alone");
}

TEST_F(RouteMessages, PathThatTakesItselfAlone) {
  EXPECT_EQ(messages(route("/api/", "app = \"web\"")),
            "[CW0117] cutwater.toml:3:18: match.path: \"/api/\" takes that path alone, nothing below it\n"
            "  3 | match = { path = \"/api/\" }\n"
            "    |                  ^\n"
            "  fix: match = { path = \"/api/*\" }\n");
  EXPECT_FALSE(failed_);
  EXPECT_EQ(messages(route("/", "app = \"web\"")), "");
}

TEST_F(RouteMessages, PathThatIsWrittenEncoded) {
  const std::string found = messages(route("/a%20b/*", "app = \"web\""));
  EXPECT_TRUE(found.starts_with("[CW0122] cutwater.toml:3:18: match.path: \"/a%20b/*\" is compared with")) << found;
  EXPECT_EQ(fix_of(found), "match = { path = \"/a b/*\" }");
  EXPECT_EQ(fix_of(messages(route("/a%2Fb", "app = \"web\""))), "match = { path = \"/a/b\" }");
  EXPECT_FALSE(failed_);
  for (const char* plain : {"/a b/*", "/100%", "/a%zz/*"}) EXPECT_EQ(messages(route(plain, "app = \"web\"")), "");
}

TEST_F(RouteMessages, AuthorizersAndFiltersSpeakFastcgi) {
  for (const char* word : {"http", "scgi", "uwsgi", "proxy", "app"}) {
    const std::string found =
        messages(route("/*", "app = \"web\"\nauth = { " + std::string(word) + " = { to = \"x\" } }"));
    EXPECT_TRUE(found.starts_with("[CW0101] cutwater.toml:5:10: auth takes fastcgi alone, not \"")) << found;
    EXPECT_EQ(fix_of(found),
              "let a FastCGI program be an authorizer: auth = { fastcgi = { to = \"127.0.0.1:9000\" } }");
  }
  EXPECT_EQ(fix_of(messages(route("/*", "app = \"web\"\nauth = { fcgi = {} }"))), "write \"fastcgi\"");
}

TEST_F(RouteMessages, VariablesOfAnAuthorizer) {
  const auto with = [this](const std::string& keys) {
    return messages(route("/*", "app = \"web\"\nauth = { fastcgi = { to = \"unix:/x\" }, " + keys + " }"));
  };
  EXPECT_EQ(with("variables = [\"REMOTE_USER\", \"X_ROLE\"]"), "");
  EXPECT_EQ(config_.routes.at(0).auth->variables, (std::vector<std::string>{"REMOTE_USER", "X_ROLE"}));
  for (const char* name : {"X-Role", "HTTP_X_ROLE", "Variable-X", ""}) {
    EXPECT_TRUE(with("variables = [\"" + std::string(name) + "\"]")
                    .starts_with("[CW0103] cutwater.toml:5:53: auth.variables: \"" + std::string(name) +
                                 "\" is no name of a variable"));
  }
  EXPECT_EQ(fix_of(with("variable = []")), "write \"variables\"");
  EXPECT_TRUE(messages(route("/*", "app = \"web\"\nauth = { variables = [] }")).find("auth has no fastcgi") !=
              std::string::npos);
}

TEST_F(RouteMessages, VariablesOfAnAuthorizerThatAreForNobody) {
  const auto with = [this](const std::string& answer, const std::string& name) {
    return messages(
        route("/*", answer + "\nauth = { fastcgi = { to = \"unix:/x\" }, variables = [\"" + name + "\"] }"));
  };
  const std::string kApp = "app = \"web\"", kScripts = "cgi = { dir = \".\", env = { MODE = \"x\" } }";
  const std::string kHttp = "proxy = { to = \"127.0.0.1:1\" }", kScgi = "scgi = { to = \"127.0.0.1:1\" }";
  EXPECT_EQ(
      with(kApp, "PATH_INFO"),
      "[CW0103] cutwater.toml:5:53: auth.variables: \"PATH_INFO\" is passed on to nobody: requests have a variable "
      "of that name themselves\n"
      "  5 | auth = { fastcgi = { to = \"unix:/x\" }, variables = [\"PATH_INFO\"] }\n"
      "    |                                                     ^\n"
      "  fix: remove it, and let the authorizer use another name, such as X_ROLE\n");
  for (const char* name : {"LD_PRELOAD", "PATH", "HOME", "python_path", "http_proxy", "MODE", "SCRIPT_FILENAME"}) {
    EXPECT_TRUE(with(kScripts, name).starts_with("[CW0103] cutwater.toml:5:53: auth.variables: \"" + std::string(name)))
        << name;
    EXPECT_EQ(with(kApp, name), "") << name;
  }
  EXPECT_EQ(fix_of(with(kScripts, "MODE")), "remove it from one of them");
  for (const std::string& answer : {kApp, kScripts, kHttp, kScgi}) EXPECT_EQ(with(answer, "X_ROLE"), "");
  EXPECT_NE(with(kHttp, "HOST"), "");
  EXPECT_EQ(with(kScgi, "HOST"), "");
  EXPECT_NE(with(kScgi, "PHP_VALUE"), "");
}

TEST_F(RouteMessages, RoutesAtTheTopLevel) {
  const std::string found = messages("[[route]]\nmatch = { path = \"/*\" }\napp = \"web\"\n");
  EXPECT_TRUE(found.starts_with("[CW0101] cutwater.toml:1:3: unknown key \"route\" at the top level\n")) << found;
  EXPECT_EQ(fix_of(found), "write [[site]] once, and [[site.route]] below it for each route");
}

TEST_F(RouteMessages, AFallbackThatIsNotThere) {
  const auto with = [this](const std::string& root) {
    return messages(route("/*", "fastcgi = { to = \"unix:/x\", root = \"" + root + "\", fallback = \"/index.php\" }"));
  };
  const std::string root = folder_.path();
  const std::string found = with(root);
  EXPECT_NE(found.find("fastcgi.fallback: there is no " + root + "/index.php; until there is one"), std::string::npos)
      << found;
  EXPECT_TRUE(found.starts_with("[CW0123] cutwater.toml:4:")) << found;
  EXPECT_FALSE(failed_);
  EXPECT_EQ(with(root + "/none"), "");  // that is said elsewhere
  folder_.file("index.php", "");
  EXPECT_EQ(with(root), "");
}

TEST_F(RouteMessages, WhatMeansNothingForAListener) {
  const std::pair<const char*, const char*> kCases[] = {
      {"addr = \":80\"\nmode = \"660\"", "3:1: listen.mode: is for a unix socket, and \":80\" is none of ours"},
      {"mode = \"660\"", "2:1: listen.mode: is for a unix socket"},
      {"addr = \"fd:3\"\nowner = \"x\"", "3:1: listen.owner: is for a unix socket"},
      {"addr = \"127.0.0.1:1\"\ngroup = \"x\"\nprotocol = \"scgi\"", "3:1: listen.group: is for a unix socket"},
      {"addr = \"unix:x\"\ntrusted_users = [\"x\"]", "3:1: listen.trusted_users: by \"http\" whoever may open"},
      {"addr = \":1\"\ntrusted_users = [\"x\"]", "3:1: listen.trusted_users: by \"http\" whoever may"},
      {"addr = \"127.0.0.1:1\"\ntrusted_users = [\"x\"]\nprotocol = \"scgi\"",
       "3:1: listen.trusted_users: users are known on unix sockets alone"},
  };
  for (const auto& [keys, message] : kCases) {
    const std::string found = messages("[[listen]]\n" + std::string(keys) + "\n");
    EXPECT_TRUE(found.starts_with("[CW0108] cutwater.toml:" + std::string(message))) << found;
    EXPECT_EQ(found.find("[CW", 1), std::string::npos) << found;
  }
  EXPECT_EQ(
      messages("[[listen]]\naddr = \"unix:x\"\nmode = \"660\"\nowner = \"a\"\ngroup = \"b\"\nprotocol = \"scgi\"\n"
               "trusted_users = [\"x\"]\n[[listen]]\naddr = \"fd:3\"\nprotocol = \"scgi\"\ntrusted_users = []\n"),
      "");
}

}  // namespace
}  // namespace cutwater::config
