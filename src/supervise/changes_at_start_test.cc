#include "supervise/changes_at_start.h"

#include <gtest/gtest.h>

namespace cutwater::supervise {
namespace {

using Verdict = ChangesAtStart::Verdict;

TEST(ChangesAtStart, AFileThatChangesInEachGenerationIsNoNewsFromTheThirdOn) {
  ChangesAtStart changes;
  for (int generation = 0; generation < 2; ++generation) {
    changes.begin();
    for (int time = 0; time < 5; ++time) EXPECT_EQ(changes.judge("stamp.py"), Verdict::kNews);
  }
  changes.begin();
  EXPECT_EQ(changes.judge("stamp.py"), Verdict::kNoNewsForTheFirstTime);
  EXPECT_EQ(changes.judge("stamp.py"), Verdict::kNoNews);
  EXPECT_EQ(changes.judge("views.py"), Verdict::kNews);
  changes.begin();
  EXPECT_EQ(changes.judge("stamp.py"), Verdict::kNoNews);
}

TEST(ChangesAtStart, AGenerationThatLeavesItAloneMakesItNewsAgain) {
  ChangesAtStart changes;
  for (int generation = 0; generation < 4; ++generation) {
    changes.begin();
    changes.judge("stamp.py");
  }
  changes.begin();
  changes.begin();
  EXPECT_EQ(changes.judge("stamp.py"), Verdict::kNews);
}

}  // namespace
}  // namespace cutwater::supervise
