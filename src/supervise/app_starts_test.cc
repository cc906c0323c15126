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
  EXPECT_TRUE(log.has("views.py changed; generation 2 is still starting (while ")) << log.all();
  EXPECT_TRUE(log.has(" s after the start), generation 3 comes after it, in ")) << log.all();
  ASSERT_TRUE(run_until([this] { return fronts->swapped == 3; }, seconds(10))) << log.all();
  EXPECT_TRUE(log.has("generation 1 keeps serving\ngave up while importing the app, ")) << log.all();
  run_for(milliseconds(1500));
  EXPECT_EQ(fronts->swapped, 3u);
}

// As a HUP whose configuration cannot be used.
TEST_F(AppStarts, WhatWasGivenUpForAReloadThatNeverCameIsStartedAgain) {
  ASSERT_TRUE(start_serving());
  spec.start_patience = milliseconds(300);
  behave("hang_at_import");
  app->reload(spec, "test");
  run_for(milliseconds(100));
  behave("well");
  app->on_reload_waits("asked to reload");
  ASSERT_TRUE(run_until([this] { return fronts->swapped == 3; }, seconds(10))) << log.all();
}

// Else it would never come to serve, however often it is saved.
TEST_F(AppStarts, AStartThatHasGrownLongerGetsMoreTimeEachTime) {
  ASSERT_TRUE(start_serving());
  spec.start_patience = milliseconds(100);
  behave("slow_import");
  for (int save = 0; save < 8 && fronts->swapped == 1; ++save) {
    app->reload(spec, "save " + std::to_string(save));
    run_for(milliseconds(50));
    app->reload(spec, "save again");
    run_until([this] { return fronts->swapped > 1 || !app->starting(); }, seconds(10));
  }
  ASSERT_TRUE(run_until([this] { return fronts->swapped > 1; }, seconds(10))) << log.all();
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
