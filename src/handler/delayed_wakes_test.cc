#include "handler/delayed_wakes.h"

#include <gtest/gtest.h>

namespace cutwater::handler {
namespace {

using std::chrono::microseconds;

constexpr base::Instant kStart{1'000'000'000};

TEST(DelayedWakes, OneEventWakesAtOnce) {
  DelayedWakes wakes;
  EXPECT_FALSE(wakes.can_wait(kStart, 1));
  EXPECT_FALSE(wakes.can_wait(kStart + microseconds(10), 0));
}

TEST(DelayedWakes, WaitWhileTheLooksFindMore) {
  DelayedWakes wakes;
  EXPECT_TRUE(wakes.can_wait(kStart, 3));
  EXPECT_TRUE(wakes.can_wait(kStart, 3)) << "the same turn, asked again";
  EXPECT_TRUE(wakes.can_wait(kStart + microseconds(50), 1));
  EXPECT_FALSE(wakes.can_wait(kStart + microseconds(60), 0));
}

TEST(DelayedWakes, NeverForLong) {
  DelayedWakes wakes;
  EXPECT_TRUE(wakes.can_wait(kStart, 3));
  EXPECT_TRUE(wakes.can_wait(kStart + microseconds(200), 9));
  EXPECT_FALSE(wakes.can_wait(kStart + microseconds(201), 9));
  EXPECT_TRUE(wakes.can_wait(kStart + microseconds(210), 9)) << "what came since has a time of its own";
}

// Without the pause each wake would cost one more system call where requests come by twos.
TEST(DelayedWakes, LooksInVainBecomeRare) {
  DelayedWakes wakes;
  base::Instant now = kStart;
  int looks = 0;
  for (int turn = 0; turn < 10000; ++turn) {
    now = now + microseconds(10);
    if (!wakes.can_wait(now, 2)) continue;
    ++looks;
    now = now + microseconds(1);
    EXPECT_FALSE(wakes.can_wait(now, 0));
  }
  EXPECT_GT(looks, 100);
  EXPECT_LT(looks, 200);
  // One that finds something is enough to look each time again.
  while (!wakes.can_wait(now = now + microseconds(10), 2)) {
  }
  EXPECT_TRUE(wakes.can_wait(now = now + microseconds(1), 1));
  EXPECT_FALSE(wakes.can_wait(now = now + microseconds(200), 1));
  EXPECT_TRUE(wakes.can_wait(now = now + microseconds(10), 2));
}

}  // namespace
}  // namespace cutwater::handler
