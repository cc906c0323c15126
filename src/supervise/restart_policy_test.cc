#include "supervise/restart_policy.h"

#include <gtest/gtest.h>

namespace cutwater::supervise {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(RestartPolicy, FirstAtOnceThenDoublingToTheLimit) {
  RestartPolicy policy;
  EXPECT_EQ(policy.wait_after({}), milliseconds(0));
  for (int expected : {100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000}) {
    EXPECT_EQ(policy.wait_after({}), milliseconds(expected));
  }
}

TEST(RestartPolicy, HealthyLifeForgetsEverything) {
  RestartPolicy policy;
  for (int i = 0; i < 10; ++i) policy.wait_after({});
  EXPECT_EQ(policy.wait_after(seconds(5)), milliseconds(0));
  EXPECT_EQ(policy.wait_after({}), milliseconds(0));
  EXPECT_EQ(policy.wait_after({}), milliseconds(100));
}

TEST(RestartPolicy, LivesThatWereNotShortHalveTheWait) {
  RestartPolicy policy;
  for (int i = 0; i < 4; ++i) policy.wait_after({});
  EXPECT_EQ(policy.wait_after(milliseconds(150)), milliseconds(200));
  EXPECT_EQ(policy.wait_after(milliseconds(150)), milliseconds(100));
  EXPECT_EQ(policy.wait_after(milliseconds(150)), milliseconds(0));
  EXPECT_EQ(policy.wait_after({}), milliseconds(0));
}

TEST(RestartPolicy, KillsFromOutsideNeverSlowTheReturn) {
  RestartPolicy policy;
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(policy.wait_after(milliseconds(200)), milliseconds(0));
}

}  // namespace
}  // namespace cutwater::supervise
