#include "app/master_lines.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

namespace cutwater::app {
namespace {

class LinesTest : public testing::Test {
 protected:
  LinesTest() {
    char folder[] = "/tmp/cutwater-lines-test-XXXXXX";
    spec_.root = mkdtemp(folder);
    std::filesystem::create_directories(spec_.root + "/.venv/bin");
    std::ofstream(spec_.root + "/.venv/pyvenv.cfg") << "";
    spec_.python = spec_.root + "/.venv/bin/python";
    imported_.target = "shop.wsgi:application";
    imported_.protocol = "wsgi";
    imported_.framework = "Django 5.2";
    imported_.python = "3.12.1";
    imported_.static_folders = {{"/static/", spec_.root + "/staticfiles", std::nullopt}};
  }
  ~LinesTest() override { std::filesystem::remove_all(spec_.root); }
  void add_static(const std::string& path, bool exact, config::StaticRoute files) {
    config::Route route;
    route.path = path;
    route.exact = exact;
    route.kind = config::Route::Kind::kStatic;
    route.static_route = config_.static_routes.size();
    config_.routes.push_back(std::move(route));
    config_.static_routes.push_back(std::move(files));
  }
  supervise::AppSpec spec_;
  control::Imported imported_;
  config::Config config_;
};

TEST_F(LinesTest, SaysWhatServesWithWhatAndWhere) {
  EXPECT_EQ(serving_line(spec_, imported_, {"http://127.0.0.1:8000"}, config_),
            "serving shop.wsgi:application (WSGI, Django 5.2) with .venv Python 3.12.1 on http://127.0.0.1:8000; "
            "static /static/ -> staticfiles/");
}

TEST_F(LinesTest, NamesEveryPlace) {
  imported_.framework.clear();
  imported_.static_folders.clear();
  spec_.prefix = "/shop";
  add_static("/media/", false, {"/media/", "/srv/media", "", std::nullopt});
  EXPECT_EQ(serving_line(spec_, imported_, {"http://127.0.0.1:8000", "unix:/run/x.sock"}, config_),
            "serving shop.wsgi:application (WSGI) with .venv Python 3.12.1 on http://127.0.0.1:8000/shop, "
            "unix:/run/x.sock/shop; static /media/* -> /srv/media/");
}

TEST_F(LinesTest, NamesRoutesOfFilesAsTheyAreWritten) {
  imported_.static_folders.clear();
  config_.routes.resize(1);  // an app's
  add_static("/favicon.ico", true, {"/", spec_.root + "/pub", "", std::nullopt});
  add_static("/keep/pub/", false, {"/keep/pub/", spec_.root + "/files/pub", "", std::nullopt});
  const std::string line = serving_line(spec_, imported_, {"http://[::1]:80"}, config_);
  EXPECT_EQ(line.substr(line.find("; static")), "; static /favicon.ico -> pub/, /keep/pub/* -> files/pub/");
}

TEST_F(LinesTest, NamesAnInterpreterWithoutEnvironmentByItsPath) {
  spec_.python = "/usr/bin/python3";
  EXPECT_EQ(interpreter_label(spec_, "3.11.2"), "Python 3.11.2 (/usr/bin/python3)");
}

TEST(RouteLines, SayWhoAnswersAndWhoIsAskedBeforeInTheirOrder) {
  config::Config config;
  config.upstreams.resize(2);
  config.upstreams[0].name = "api";
  config.upstreams[0].servers = {{"10.0.0.5:80"}, {"10.0.0.6:80", 2}};
  config.upstreams[1].name = "[::1]:9001";
  config.upstreams[1].servers = {{"[::1]:9001"}};
  config.static_routes = {{"/media/", "/srv/media", "", std::nullopt}};
  config::ProxyRoute login;
  login.protocol = "fastcgi";
  login.upstream = "[::1]:9001";
  config.routes.resize(3);
  config.routes[0].path = "/admin";
  config.routes[0].exact = true;
  config.routes[0].app = "web";
  config.routes[0].auth = login;
  config.routes[1].path = "/api/";
  config.routes[1].kind = config::Route::Kind::kProxy;
  config.routes[1].proxy.upstream = "api";
  config.routes[2].path = "/media/";
  config.routes[2].kind = config::Route::Kind::kStatic;
  config.routes[2].filter = login;
  EXPECT_EQ(route_lines(config),
            (std::vector<std::string>{"app /admin -> web; auth fastcgi [::1]:9001",
                                      "proxy /api/* -> api (10.0.0.5:80, 10.0.0.6:80 weight 2)",
                                      "static /media/* -> /srv/media; filter fastcgi [::1]:9001"}));
}

}  // namespace
}  // namespace cutwater::app
