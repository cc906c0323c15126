// Starts that take longer than they should.
#include <signal.h>

#include "supervise/app_supervisor.h"
#include "supervise/app_test_support.h"

namespace cutwater::supervise {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class AppStarts : public AppTest {};

TEST_F(AppStarts, StartThatHangsIsGivenUpForAnotherReload) {
  ASSERT_TRUE(start_serving());
  spec.start_patience = seconds(1);
  behave("hang_at_import");
  app->reload(spec, "test");
  run_for(milliseconds(500));
  EXPECT_FALSE(log.has("is still starting"));
  behave("well");
  app->reload(spec, "views.py changed");
  EXPECT_TRUE(
      log.has("views.py changed; generation 2 is still starting (while importing the app, 0.5 s after the "
              "start), generation 3 comes after it, in "))
      << log.all();
  ASSERT_TRUE(run_until([this] { return fronts->swapped == 3; }, seconds(10))) << log.all();
  EXPECT_TRUE(log.has("generation 1 keeps serving\ngave up while importing the app, 1.0 s after the start"))
      << log.all();
  run_for(milliseconds(1500));
  EXPECT_EQ(fronts->swapped, 3u);
}

TEST_F(AppStarts, StartThatTakesItsUsualTimeIsWaitedFor) {
  behave("slow_import");
  ASSERT_TRUE(start_serving());
  spec.start_patience = milliseconds(100);
  app->reload(spec, "test");
  run_for(milliseconds(500));
  app->reload(spec, "test");
  ASSERT_TRUE(run_until([this] { return fronts->swapped == 2; })) << log.all();
  ASSERT_TRUE(run_until([this] { return fronts->swapped == 3; })) << log.all();
}

TEST_F(AppStarts, WorkerThatIsNotReadyInTimeIsKilledForThat) {
  spec.preload = "false";
  spec.start_timeout = seconds(1);
  ASSERT_TRUE(start_serving());
  behave("never_ready");
  kill(fronts->workers.begin()->second, SIGTERM);
  ASSERT_TRUE(run_until([this] { return log.has("was not ready within start_timeout = 1 s"); })) << log.all();
  ASSERT_TRUE(run_until([this] { return log.has(") was killed; another one is started"); })) << log.all();
  EXPECT_FALSE(log.has("out of memory")) << log.all();
}

}  // namespace
}  // namespace cutwater::supervise
