// From words, file, environment and flags to one configuration.
#include "config/load.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "config/test_folder.h"

namespace cutwater::config {
namespace {

class Load : public testing::Test {
 protected:
  Load() : environment_(folder_.path()) { folder_.program("bin/python3").file("shop.py", "application = object()\n"); }

  Loaded load_target(const std::string& target = "shop:application") { return load(target, overrides_); }

  static std::string first_error(const Loaded& loaded) {
    for (const Diagnostic& diagnostic : loaded.diagnostics) {
      if (diagnostic.is_error) return to_text(diagnostic);
    }
    return "";
  }

  TestFolder folder_;
  TestEnvironment environment_;
  Overrides overrides_;
};

TEST_F(Load, Defaults) {
  Loaded loaded = load_target();
  EXPECT_EQ(loaded.exit_code, 0) << first_error(loaded);
  ASSERT_EQ(loaded.config.listens.size(), 1u);
  EXPECT_EQ(loaded.config.listens[0].address, "127.0.0.1:8000");
  ASSERT_EQ(loaded.config.apps.size(), 1u);
  EXPECT_EQ(loaded.config.apps[0].name, "web");
  EXPECT_EQ(loaded.config.apps[0].target, "shop:application");
  EXPECT_EQ(loaded.config.apps[0].root, folder_.path());
  EXPECT_EQ(loaded.config.apps[0].python, folder_.at("bin/python3"));
  EXPECT_EQ(loaded.config.file, "");
}

TEST_F(Load, FlagsBeatVariablesBeatFileBeatsDefaults) {
  EXPECT_EQ(load_target().config.apps[0].timeout, std::chrono::seconds(60));
  folder_.file("cutwater.toml", "[app.web]\ntimeout = \"5s\"\n[log]\nlevel = \"error\"\n");
  EXPECT_EQ(load_target().config.apps[0].timeout, std::chrono::seconds(5));
  environment_.set("CUTWATER_TIMEOUT", "6s").set("CUTWATER_LOG_LEVEL", "debug");
  Loaded loaded = load_target();
  EXPECT_EQ(loaded.config.apps[0].timeout, std::chrono::seconds(6));
  EXPECT_EQ(loaded.config.log.level, "debug");
  overrides_.settings["app.timeout"] = "7s";
  EXPECT_EQ(load_target().config.apps[0].timeout, std::chrono::seconds(7));
}

TEST_F(Load, Workers) {
  EXPECT_EQ(load_target().config.apps[0].workers, 0u);
  environment_.set("WEB_CONCURRENCY", "3");
  EXPECT_EQ(load_target().config.apps[0].workers, 3u);
  folder_.file("cutwater.toml", "[app.web]\nworkers = 4\n");
  EXPECT_EQ(load_target().config.apps[0].workers, 4u);
  environment_.set("CUTWATER_WORKERS", "auto");
  EXPECT_EQ(load_target().config.apps[0].workers, 0u);
  overrides_.workers = "5";
  EXPECT_EQ(load_target().config.apps[0].workers, 5u);
  overrides_.workers = "many";
  EXPECT_EQ(load_target().exit_code, 2);
}

TEST_F(Load, GatewayProtocolsTrustSomebodyInParticular) {
  const auto error = [this](const std::string& listen) {
    folder_.file("cutwater.toml", "[[listen]]\n" + listen + "\n");
    const Loaded loaded = load_target();
    return loaded.exit_code == 0 ? "" : first_error(loaded);
  };
  for (const char* open : {":3031", "0.0.0.0:3031", "10.0.0.1:3031", "[::]:3031", "example.org:3031"}) {
    const std::string addr = std::string("addr = \"") + open + "\"\n";
    const std::string text = error(addr + "protocol = \"uwsgi\"");
    EXPECT_TRUE(text.starts_with("error[CW0115] listen ")) << text;
    EXPECT_NE(text.find("\n  fix: trusted_proxies = "), std::string::npos) << text;
    EXPECT_EQ(error(addr + "protocol = \"scgi\"\ntrusted_proxies = [\"127.0.0.1\", \"10.0.0.5\"]"), "") << open;
    EXPECT_NE(error(addr + "protocol = \"uwsgi\"\ntrusted_proxies = [\"*\"]"), "") << open;
    for (const char* all : {"0.0.0.0/0", "::/0", "10.0.0.5\", \"*", "10.0.0.5\", \"::/0"})
      EXPECT_NE(error(addr + "protocol = \"uwsgi\"\ntrusted_proxies = [\"" + all + "\"]"), "") << open << all;
    EXPECT_NE(error(addr + "protocol = \"uwsgi\"\ntrusted_proxies = [\"unix\", \"::1\"]"), "") << open;
    EXPECT_EQ(error(addr + "protocol = \"http\""), "") << open;
  }
  for (const char* own : {"127.0.0.1:3031", "[::1]:3031", "localhost:3031", "unix:x.sock", "fd:3"}) {
    EXPECT_EQ(error(std::string("protocol = \"uwsgi\"\naddr = \"") + own + "\""), "") << own;
  }
}

TEST_F(Load, TrustedUsersExist) {
  const auto error = [this](const std::string& users) {
    folder_.file("cutwater.toml",
                 "[[listen]]\naddr = \"unix:x\"\nprotocol = \"scgi\"\ntrusted_users = " + users + "\n");
    const Loaded loaded = load_target();
    return loaded.exit_code == 0 ? "" : first_error(loaded);
  };
  EXPECT_EQ(error("[]"), "");
  EXPECT_EQ(error("[\"*\", \"nginx\", \"0\"]"), "");
  EXPECT_TRUE(error("[\"no-such-user\"]").starts_with("error[CW0103] listen.trusted_users: there is no user "));
  EXPECT_NE(error("[\"a b\"]").find("\"a b\" is no user"), std::string::npos);
  EXPECT_NE(error("\"root\"").find("takes a list of users"), std::string::npos);
}

TEST_F(Load, MissingFoldersOfRoutesAreNamedWithTheirPlace) {
  const std::pair<const char*, const char*> kCases[] = {
      {"fastcgi = { to = \"127.0.0.1:9000\", root = \"php\" }", "4:43: fastcgi.root: there is no folder "},
      {"static = { root = \"files\" }", "4:19: static.root: there is no folder "},
  };
  for (const auto& [answer, message] : kCases) {
    folder_.file("cutwater.toml", "[[site]]\n[[site.route]]\nmatch = { path = \"/*\" }\n" + std::string(answer) + "\n");
    const std::string text = first_error(load_target());
    EXPECT_TRUE(text.starts_with("error[CW0110] cutwater.toml:" + std::string(message))) << text;
  }
}

TEST_F(Load, Addresses) {
  environment_.set("PORT", "5000");
  EXPECT_EQ(load_target().config.listens[0].address, "0.0.0.0:5000");
  folder_.file("cutwater.toml", "[[listen]]\naddr = \":1\"\n[[listen]]\naddr = \":2\"\nbacklog = 5\n");
  EXPECT_EQ(load_target().config.listens.size(), 2u);
  EXPECT_EQ(load_target().config.listens[0].address, ":1");
  environment_.set("CUTWATER_BIND", ":3,unix:x.sock");
  Loaded loaded = load_target();
  ASSERT_EQ(loaded.config.listens.size(), 2u);
  EXPECT_EQ(loaded.config.listens[1].address, "unix:" + folder_.at("x.sock"));
  overrides_.bind = {":4"};
  overrides_.settings["listen.backlog"] = "9";
  loaded = load_target();
  ASSERT_EQ(loaded.config.listens.size(), 1u);
  EXPECT_EQ(loaded.config.listens[0].address, ":4");
  EXPECT_EQ(loaded.config.listens[0].backlog, 9);
  overrides_.bind = {":4", ":4"};
  EXPECT_TRUE(first_error(load_target()).starts_with("error[CW0108] --bind: two listeners on :4"));
  overrides_.bind = {"127.0.0.1:0", "127.0.0.1:0"};
  EXPECT_EQ(load_target().exit_code, 0);
}

TEST_F(Load, BadPort) {
  environment_.set("PORT", "http");
  EXPECT_EQ(
      first_error(load_target()),
      "error[CW0103] PORT: listen.addr: \"0.0.0.0:http\" cannot be listened on: \"http\" is no port (0 to 65535)\n"
      "  fix: for example PORT=8000\n"
      "  more: cutwater help CW0103");
}

TEST_F(Load, TrustedProxies) {
  EXPECT_EQ(load_target().config.listens[0].trusted_proxies, (std::vector<std::string>{"127.0.0.1/32", "::1/128"}));
  environment_.set("FORWARDED_ALLOW_IPS", "10.0.0.1, 10.1.0.0/16");
  EXPECT_EQ(load_target().config.listens[0].trusted_proxies, (std::vector<std::string>{"10.0.0.1", "10.1.0.0/16"}));
  environment_.set("FORWARDED_ALLOW_IPS", "*");
  EXPECT_EQ(load_target().config.listens[0].trusted_proxies, std::vector<std::string>{"*"});
  environment_.set("FORWARDED_ALLOW_IPS", "all");
  EXPECT_EQ(load_target().exit_code, 2);
  folder_.file("cutwater.toml", "[[listen]]\ntrusted_proxies = []\n");
  environment_.set("FORWARDED_ALLOW_IPS", "*");
  EXPECT_TRUE(load_target().config.listens[0].trusted_proxies.empty());
}

TEST_F(Load, WebServersOfFastcgiAreNamedByTheEnvironment) {
  environment_.set("FCGI_WEB_SERVER_ADDRS", "10.0.0.5,10.0.0.6");
  const auto trusted = [this](const std::string& listen) {
    folder_.file("cutwater.toml", "[[listen]]\n" + listen + "\n");
    const Loaded loaded = load_target();
    return loaded.exit_code == 0 ? loaded.config.listens[0].trusted_proxies
                                 : std::vector<std::string>{first_error(loaded)};
  };
  const std::string fastcgi = "addr = \"0.0.0.0:9000\"\nprotocol = \"fastcgi\"\n";
  EXPECT_EQ(trusted(fastcgi), (std::vector<std::string>{"10.0.0.5", "10.0.0.6"}));
  EXPECT_EQ(trusted(fastcgi + "trusted_proxies = [\"10.0.0.0/8\"]"), std::vector<std::string>{"10.0.0.0/8"});
  EXPECT_EQ(trusted("protocol = \"http\""), Listen().trusted_proxies);
  EXPECT_EQ(trusted("addr = \"unix:/tmp/none.sock\"\nprotocol = \"fastcgi\"\n"), Listen().trusted_proxies);
  for (const char* wrong : {"10.0.0.5,web", "10.0.0.0/8", "*", "10.0.0.5, unix"}) {
    environment_.set("FCGI_WEB_SERVER_ADDRS", wrong);
    ASSERT_EQ(trusted(fastcgi).size(), 1u) << wrong;
    EXPECT_TRUE(trusted(fastcgi)[0].starts_with("error[CW0103] FCGI_WEB_SERVER_ADDRS: ")) << trusted(fastcgi)[0];
    EXPECT_NE(trusted(fastcgi)[0].find("is no address\n  fix: list addresses, "), std::string::npos);
  }
}

TEST_F(Load, MistypedVariable) {
  folder_.environment(".venv");
  environment_.set("CUTWATER_TIMOUT", "5s").set("CUTWATER_CONTROL_FD", "3").set("CUTWATER_LIBRARY", "/x");
  Loaded loaded = load_target();
  EXPECT_EQ(loaded.exit_code, 0);
  ASSERT_EQ(loaded.diagnostics.size(), 1u);
  EXPECT_EQ(to_text(loaded.diagnostics[0]),
            "warning[CW0113] the variable CUTWATER_TIMOUT means nothing; did you mean CUTWATER_TIMEOUT?\n"
            "  fix: correct its name, or unset it\n"
            "  more: cutwater help CW0113");
}

TEST_F(Load, VariableOfALaterVersion) {
  environment_.set("CUTWATER_DOMAIN", "example.org");
  Loaded loaded = load_target();
  EXPECT_EQ(loaded.exit_code, 2);
  EXPECT_EQ(first_error(loaded),
            "error[CW0106] the variable CUTWATER_DOMAIN is known, not in this version\n"
            "  fix: unset it; -b :80, and a web server that does TLS in front meanwhile\n"
            "  more: cutwater help CW0106");
}

TEST_F(Load, ScriptNameIsTheDefaultOfPrefix) {
  environment_.set("SCRIPT_NAME", "/shop");
  EXPECT_EQ(load_target().config.apps[0].prefix, "/shop");
  folder_.file("cutwater.toml", "[app.web]\nprefix = \"/file\"\n");
  EXPECT_EQ(load_target().config.apps[0].prefix, "/file");
}

TEST_F(Load, WhatAVariableMayHoldIsSaidAsAVariable) {
  environment_.set("CUTWATER_TIMEOUT", "soon");
  EXPECT_NE(first_error(load_target()).find("\n  fix: for example CUTWATER_TIMEOUT=60s\n"), std::string::npos);
}

TEST_F(Load, TargetForms) {
  folder_.file("site/app.py", "site = make()\nfrom flask import Flask\nweb = Flask(__name__)\n")
      .file("pack/__init__.py")
      .file("pack/web.py", "def app(environ, start_response): pass\n")
      .file("my-app.py", "app = 1\n")
      .file("app.v2.py", "app = 1\n");
  auto target = [&](const std::string& words) {
    Loaded loaded = load_target(words);
    if (loaded.exit_code != 0) return std::to_string(loaded.exit_code) + " " + loaded.diagnostics[0].code;
    const App& app = loaded.config.apps[0];
    return app.root.substr(folder_.path().size()) + " " + app.target;
  };
  EXPECT_EQ(target("shop"), " shop:application");
  EXPECT_EQ(target("shop.wsgi"), " shop.wsgi:application");
  EXPECT_EQ(target("shop:create_app('x')"), " shop:create_app('x')");
  EXPECT_EQ(target("site/app.py"), "/site app:web");
  EXPECT_EQ(target("site/app.py:other"), "/site app:other");
  EXPECT_EQ(target("site/app.py:make()"), "/site app:make()");
  EXPECT_EQ(target("pack/web.py"), " pack.web:app");
  EXPECT_EQ(target("my-app.py:app"), " my-app.py:app");
  EXPECT_EQ(target("app.v2.py:app"), " app.v2.py:app");
  EXPECT_EQ(target("site"), "/site app:web");
  EXPECT_EQ(target("none.py"), "2 CW0112");
  EXPECT_EQ(target("none"), "2 CW0112");
  EXPECT_EQ(target("a b"), "2 CW0112");
  EXPECT_EQ(target("shop:"), "2 CW0112");
  EXPECT_EQ(target("none.toml"), "2 CW0105");
  environment_.set("CUTWATER_APP", "site/app.py:env");
  EXPECT_EQ(target(""), "/site app:env");
  EXPECT_EQ(target("shop"), " shop:application");
  environment_.set("CUTWATER_APP", "web:site");
  EXPECT_EQ(target("site"), "/site web:site");
  folder_.file("cutwater.toml", "[app.web]\ntarget = \"file:app\"\n");
  EXPECT_EQ(target("cutwater.toml"), " web:site");
}

TEST_F(Load, ConfigurationFiles) {
  folder_.file("conf/cutwater.toml", "[app.api]\nroot = \"../code\"\ntarget = \"x:y\"\n").file("code/x.py");
  Loaded loaded = load_target("conf/cutwater.toml");
  EXPECT_EQ(loaded.exit_code, 0) << first_error(loaded);
  EXPECT_EQ(loaded.config.file, folder_.at("conf/cutwater.toml"));
  EXPECT_EQ(loaded.config.apps[0].name, "api");
  EXPECT_EQ(loaded.config.apps[0].root, folder_.at("code"));
  EXPECT_EQ(load_target("conf").config.apps[0].target, "x:y");
  environment_.set("CUTWATER_CONFIG", "conf/cutwater.toml");
  EXPECT_EQ(load_target("shop:other").config.apps[0].name, "api");
  environment_.set("CUTWATER_CONFIG", "none.toml");
  EXPECT_EQ(first_error(load_target("shop:other")),
            "error[CW0105] cannot read the configuration: none.toml: No such file or directory\n"
            "  fix: correct the path; it counts from " +
                folder_.path() +
                "\n"
                "  more: cutwater help CW0105");
  overrides_.config_file = "conf/cutwater.toml";
  loaded = load_target("shop:other");
  EXPECT_EQ(loaded.config.apps[0].name, "api");
  EXPECT_EQ(loaded.config.apps[0].target, "shop:other");
}

TEST_F(Load, AnAppThatNobodyNamesIsBesideTheFile) {
  folder_.file("site/cutwater.toml", "[log]\nlevel = \"error\"\n").file("site/wsgi.py", "application = object()\n");
  overrides_.config_file = "site/cutwater.toml";
  Loaded loaded = load_target("");
  EXPECT_EQ(first_error(loaded), "");
  ASSERT_EQ(loaded.config.apps.size(), 1u);
  EXPECT_EQ(loaded.config.apps[0].root, folder_.at("site"));
  EXPECT_EQ(load_target("shop:application").config.apps[0].root, folder_.path());
  EXPECT_EQ(load_target(folder_.path()).config.apps[0].root, folder_.path());
}

TEST_F(Load, PyprojectTable) {
  folder_.file("pyproject.toml",
               "[project]\nname = \"x\"\n[tool.cutwater.app.web]\ntarget = \"shop:application\"\n"
               "[tool.cutwater.limits]\nbdy = \"1MB\"\n");
  EXPECT_EQ(first_error(load_target("")),
            "error[CW0101] pyproject.toml:6:1: unknown key \"bdy\" in [limits]; did you mean \"body\"?\n"
            "  6 | bdy = \"1MB\"\n"
            "    | ^\n"
            "  fix: write \"body\"\n"
            "  more: cutwater help CW0101");
  folder_.file("pyproject.toml", "[tool.other]\nx = \"${NOT_OURS}\"\n");
  EXPECT_EQ(load_target("").exit_code, 4);
  folder_.file("pyproject.toml", "[broken\n");
  EXPECT_EQ(load_target("shop:application").exit_code, 0);
  folder_.file("pyproject.toml", "[tool.cutwater]\n[broken\n");
  EXPECT_TRUE(first_error(load_target()).starts_with("error[CW0104] pyproject.toml:2:")) << "ours would be ignored";
  folder_.file("pyproject.toml", "[tool]\ncutwater = 3\n");
  EXPECT_TRUE(first_error(load_target()).starts_with("error[CW0102] pyproject.toml:2:1: tool.cutwater: takes a table"));
  folder_.file("pyproject.toml",
               "[tool.other]\nx = \"${NOT_OURS}\"\n[tool.cutwater.app.web]\nuser = \"${NONE:-me}\"\n");
  Loaded loaded = load_target();
  EXPECT_EQ(loaded.exit_code, 0) << first_error(loaded);
  EXPECT_EQ(loaded.config.apps[0].user, "me");
  folder_.file("cutwater.toml", "[log]\nlevel = \"error\"\n")
      .file("pyproject.toml", "[tool.cutwater.log]\nlevel = \"debug\"\n");
  EXPECT_EQ(load_target().config.log.level, "error");
}

TEST_F(Load, WhatIsNoFileIsNotPassedOver) {
  std::filesystem::create_symlink("/nonexistent", folder_.at("cutwater.toml"));
  EXPECT_TRUE(
      first_error(load_target()).starts_with("error[CW0105] cannot read the configuration: cutwater.toml: No such"));
  std::filesystem::remove(folder_.at("cutwater.toml"));
  std::filesystem::create_directory(folder_.at("cutwater.toml"));
  EXPECT_TRUE(
      first_error(load_target()).starts_with("error[CW0105] cannot read the configuration: cutwater.toml: not a file"));
}

TEST_F(Load, FolderThatIsGone) {
  std::filesystem::create_directory(folder_.at("gone"));
  std::filesystem::current_path(folder_.at("gone"));
  std::filesystem::remove(folder_.at("gone"));
  Loaded loaded = load_target("");
  std::filesystem::current_path(folder_.path());
  EXPECT_EQ(loaded.exit_code, 2);
  EXPECT_TRUE(first_error(loaded).starts_with("error[CW0112] the current folder no longer exists\n  fix: cd "));
}

TEST_F(Load, SeveralApps) {
  folder_.file("cutwater.toml", "[app.a]\ntarget = \"a:b\"\n[app.b]\ntarget = \"c:d\"\nprefix = \"/b\"\n");
  EXPECT_EQ(load_target("").config.apps.size(), 2u);
  EXPECT_TRUE(first_error(load_target("shop:application")).starts_with("error[CW0111] cutwater.toml has 2 apps"));
  folder_.file("cutwater.toml", "[app.a]\ntarget = \"a:b\"\n[app.b]\ntarget = \"c:d\"\n");
  EXPECT_TRUE(
      first_error(load_target("")).starts_with("error[CW0108] cutwater.toml:3:6: the apps a and b both answer at /"));
  folder_.file("cutwater.toml",
               "[app.a]\nprefix = \"/x\"\ntarget = \"a:b\"\n[app.b]\nprefix = \"/x\"\ntarget = \"c:d\"\n");
  EXPECT_TRUE(first_error(load_target(""))
                  .starts_with("error[CW0108] cutwater.toml:5:10: the apps a and b both answer "
                               "at /x\n  5 | prefix = \"/x\"\n    |          ^\n"));
}

TEST_F(Load, ListenersThatAreThereTwice) {
  folder_.file("cutwater.toml", "[[listen]]\naddr = \":4\"\n[[listen]]\nbacklog = 9\naddr = \":4\"\n");
  EXPECT_TRUE(first_error(load_target())
                  .starts_with("error[CW0108] cutwater.toml:5:8: two listeners on :4\n"
                               "  5 | addr = \":4\"\n"
                               "    |        ^\n"
                               "  fix: remove one\n"));
}

TEST_F(Load, MissingFolders) {
  folder_.file("cutwater.toml",
               "[app.web]\nroot = \"none\"\ntarget = \"a:b\"\n[[site]]\n[[site.route]]\n"
               "match = { path = \"/x/*\" }\nstatic = { root = \"nothing\" }\n");
  Loaded loaded = load_target("");
  EXPECT_EQ(loaded.exit_code, 2);
  ASSERT_EQ(loaded.diagnostics.size(), 2u);
  EXPECT_TRUE(loaded.diagnostics[0].text.starts_with("cutwater.toml:2:8: app.web.root: there is no folder none"));
  EXPECT_TRUE(loaded.diagnostics[1].text.starts_with("cutwater.toml:7:19: static.root: there is no folder nothing"));
}

// What beats the file is what is named.
TEST_F(Load, FlagsAreNamedWhereTheyAreWrong) {
  folder_.file("cutwater.toml", "[app.web]\nroot = \".\"\npython = \"none\"\n");
  EXPECT_TRUE(first_error(load_target()).starts_with("error[CW0202] cutwater.toml:3:10: app.web.python: "));
  EXPECT_NE(first_error(load_target()).find("\n  3 | python = \"none\"\n    |          ^\n"), std::string::npos);
  overrides_.settings["app.python"] = "3.99";
  EXPECT_TRUE(first_error(load_target()).starts_with("error[CW0202] --python: app.web.python: no Python 3.99 under "));
  overrides_.settings.clear();
  environment_.set("CUTWATER_PYTHON", "3.99");
  EXPECT_TRUE(first_error(load_target()).starts_with("error[CW0202] CUTWATER_PYTHON: app.web.python: no Python 3.99 "));
  overrides_.settings["app.root"] = "nothing";
  EXPECT_TRUE(first_error(load_target()).starts_with("error[CW0110] --root: app.web.root: there is no folder nothing"));
}

TEST_F(Load, OnlyFiles) {
  folder_.file("www/index.html")
      .file("www/cutwater.toml", "[[site]]\n[[site.route]]\nmatch = { path = \"/*\" }\nstatic = { root = \".\" }\n");
  Loaded loaded = load_target("www");
  EXPECT_EQ(loaded.exit_code, 0) << first_error(loaded);
  EXPECT_TRUE(loaded.config.apps.empty());
  EXPECT_EQ(loaded.config.static_routes.size(), 1u);
}

TEST_F(Load, RoutesThatLeaveNothingForAnApp) {
  folder_.file("gate/app.py", "def application(environ, start_response): pass\n")
      .file("gate/cutwater.toml",
            "[[site]]\n[[site.route]]\nmatch = { path = \"/*\" }\nproxy = { to = \"http://127.0.0.1:9\" }\n");
  Loaded loaded = load_target("gate");
  EXPECT_EQ(loaded.exit_code, 0) << first_error(loaded);
  EXPECT_TRUE(loaded.config.apps.empty());
}

TEST_F(Load, AppsThatRoutesTellApartMayShareAPrefix) {
  folder_.environment(".venv").file(
      "cutwater.toml",
      "[app.a]\ntarget = \"a:b\"\n[app.b]\ntarget = \"c:d\"\n[[site]]\n[[site.route]]\nmatch = { path = \"/a/*\" "
      "}\napp = \"a\"\n[[site.route]]\nmatch = { path = \"/b/*\" }\napp = \"b\"\n");
  Loaded loaded = load_target("");
  EXPECT_EQ(loaded.exit_code, 0) << first_error(loaded);
  EXPECT_EQ(loaded.config.apps.size(), 2u);
}

TEST_F(Load, AScriptIsServedByItsFolder) {
  const std::string cgi = "#!/usr/bin/env python3\nprint('Content-Type: text/plain\\n')\n";
  folder_.file("site/cgi-bin/a.py", cgi).file("site/index.php", "<?php").file("b.py", cgi);
  const auto error_of = [this](const std::string& target) { return first_error(load_target(target)); };
  EXPECT_TRUE(
      error_of("site/cgi-bin/a.py")
          .starts_with("error[CW0112] \"site/cgi-bin/a.py\" is a CGI script and no app\n  fix: serve its folder, "
                       "with all CGI scripts and PHP files there: cutwater serve site\n"));
  EXPECT_NE(error_of("site/index.php").find("is a file and no Python app"), std::string::npos);
  EXPECT_NE(error_of("b.py").find("cutwater serve .\n"), std::string::npos);
  EXPECT_EQ(load_target("b.py:application").exit_code, 0);
}

// A user that a variable was to name, and did not: the app must not run as whoever the default is.
TEST_F(Load, AnEmptyUser) {
  folder_.file("app.py", "def application(e, s): pass\n")
      .file("cutwater.toml", "[app.web]\nuser = \"${NOBODY_HERE:-}\"\n");
  const Loaded loaded = load_target("");
  EXPECT_EQ(loaded.exit_code, 2);
  EXPECT_TRUE(first_error(loaded).starts_with("error[CW0103] cutwater.toml:2:8: app.web.user: is empty\n"))
      << first_error(loaded);
}

TEST_F(Load, NothingFound) {
  folder_.file("empty/readme.txt");
  Loaded loaded = load_target("empty");
  EXPECT_EQ(loaded.exit_code, 4);
  EXPECT_TRUE(first_error(loaded).starts_with("error[CW0301] no app found in empty\n  looked for: "));
  EXPECT_NE(first_error(loaded).find("fix: name it: cutwater serve module:attr"), std::string::npos);
}

TEST_F(Load, AFolderIsNoConfigurationThatOthersMayChange) {
  folder_.file("open/x");
  ::chmod(folder_.at("open").c_str(), 0777);
  overrides_.config_file = "open";
  const Loaded loaded = load_target();
  ASSERT_EQ(loaded.diagnostics.size(), 1u);
  EXPECT_TRUE(first_error(loaded).starts_with("error[CW0105] "));
}

TEST_F(Load, FileThatOthersMayChange) {
  if (::geteuid() != 0) GTEST_SKIP() << "only as root";
  folder_.file("cutwater.toml").environment(".venv");
  ::chmod(folder_.at("cutwater.toml").c_str(), 0666);
  Loaded loaded = load_target();
  EXPECT_EQ(loaded.exit_code, 0);
  ASSERT_EQ(loaded.diagnostics.size(), 1u);
  EXPECT_EQ(loaded.diagnostics[0].code, "CW0114");
}

TEST_F(Load, WhatAFlagDropsIsSaid) {
  const auto warning = [this](const std::string& listen) {
    folder_.file("cutwater.toml", "[[listen]]\naddr = \"127.0.0.1:1\"\n" + listen);
    const Loaded loaded = load_target();
    EXPECT_EQ(loaded.exit_code, 0) << first_error(loaded);
    EXPECT_EQ(loaded.config.listens.size(), 1u);
    for (const Diagnostic& diagnostic : loaded.diagnostics) {
      if (diagnostic.code == "CW0121") return to_text(diagnostic);
    }
    return std::string();
  };
  const std::string uwsgi = "protocol = \"uwsgi\"\ntrusted_proxies = [\"10.0.0.5\"]\n";
  EXPECT_EQ(warning(uwsgi), "");
  overrides_.bind = {"127.0.0.1:4"};
  const std::string said = warning(uwsgi);
  EXPECT_NE(said.find("cutwater.toml:2:8: --bind stands for all [[listen]] of the file: protocol = \"uwsgi\", "
                      "trusted_proxies of this one is dropped"),
            std::string::npos)
      << said;
  EXPECT_NE(said.find("\n  fix: change addr in the file instead"), std::string::npos) << said;
  EXPECT_EQ(warning(""), "");
  EXPECT_NE(warning("[[listen]]\naddr = \"unix:s\"\nmode = \"600\"\n").find(": mode of this one"), std::string::npos);
  overrides_.bind.clear();
  environment_.set("CUTWATER_BIND", "127.0.0.1:4");
  EXPECT_NE(warning(uwsgi).find(": CUTWATER_BIND stands for"), std::string::npos);
}

TEST_F(Load, AnotherLoadSeesTheChangedFile) {
  folder_.file("cutwater.toml", "[app.web]\nqueue = 5\n");
  EXPECT_EQ(load_target().config.apps[0].queue, 5u);
  folder_.file("cutwater.toml", "[app.web]\nqueue = 6\n");
  EXPECT_EQ(load_target().config.apps[0].queue, 6u);
}

}  // namespace
}  // namespace cutwater::config
