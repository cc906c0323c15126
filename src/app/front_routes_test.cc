#include "app/front_routes.h"

#include <gtest/gtest.h>

#include "handler/handler_test_support.h"
#include "message/grammar.h"

namespace cutwater::app {
namespace {

// Two in containers of one pod have the same host name and process number: either would take what comes from the other
// for its own.
TEST(InstanceName, IsATokenThatNoOtherHas) {
  const std::string name = make_instance_name();
  EXPECT_TRUE(message::is_token(name)) << name;
  EXPECT_NE(name, make_instance_name());
}

struct NoReports final : handler::AppReports {
  void lane_free(const handler::GenerationOptions&, uint32_t) override {}
  void worker_stuck(const handler::GenerationOptions&, uint32_t, std::string_view, std::string_view,
                    handler::StuckClient) override {}
  void worker_broken(const handler::GenerationOptions&, uint32_t, std::string_view) override {}
  void generation_drained(const handler::GenerationOptions&) override {}
};

struct FrontRoutesTest : ::testing::Test {
  // The only folder cannot be opened; "/*" is everybody's.
  void add(bool guarded) {
    config::Config config;
    config.upstreams.emplace_back().name = "guard";
    config.static_routes.emplace_back();
    config::Route& secret = config.routes.emplace_back();
    secret.path = "/secret/";
    secret.kind = config::Route::Kind::kStatic;
    if (guarded) secret.auth.emplace().upstream = "guard";
    config::Route& all = config.routes.emplace_back();
    all.path = "/";
    all.app = "web";
    std::vector<base::FileDescriptor> roots(1);
    routes.add(config, std::move(roots), apps, 10);
  }
  io::Loop loop;
  io::Offload offload{loop, 1};
  handler::SpoolArea spool{offload, ""};
  handler::NotingLog log;
  handler::Router router;
  const std::string instance = "cutwater-1";
  NoReports reports;
  FrontApps apps{router, handler::AppServices{loop, offload, spool, log, reports, 0}};
  handler::ScriptRunner runner{loop};
  FrontPools pools{loop, runner, spool.directory, log};
  FrontRoutes routes{{router, loop, offload, spool, runner, pools, log, instance}};
};

TEST_F(FrontRoutesTest, AGuardedRouteThatCannotBeHadHidesWhatIsBehindIt) {
  add(true);
  const auto secret = router.match("/secret/x");
  EXPECT_NE(secret.guard, nullptr);
  ASSERT_NE(secret.handler, router.find("/x"));
  handler::TestExchange exchange("GET", "/secret/x");
  exchange.start(*secret.handler);
  EXPECT_EQ(exchange.writer.status(), 503);
}

TEST_F(FrontRoutesTest, AnotherIsNone) {
  add(false);
  EXPECT_EQ(router.find("/secret/x"), router.find("/x"));
}

}  // namespace
}  // namespace cutwater::app
