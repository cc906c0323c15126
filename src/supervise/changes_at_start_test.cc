#include "supervise/changes_at_start.h"

#include <gtest/gtest.h>

namespace cutwater::supervise {
namespace {

using std::chrono::seconds;

TEST(ChangesAtStart, AFileThatAlwaysChangesIsWaitedForAndThenTheAppsOwn) {
  ChangesAtStart changes;
  for (const seconds wait : {seconds(0), seconds(0), seconds(2), seconds(4)}) {
    changes.begin();
    for (int time = 0; time < 5; ++time) {
      const ChangesAtStart::Verdict verdict = changes.judge("stamp.py");
      EXPECT_TRUE(verdict.is_news);
      EXPECT_EQ(verdict.wait, wait);
      EXPECT_FALSE(verdict.is_to_be_told);
    }
  }
  changes.begin();
  EXPECT_FALSE(changes.judge("stamp.py").is_news);
  changes.begin();
  const ChangesAtStart::Verdict verdict = changes.judge("stamp.py");
  EXPECT_FALSE(verdict.is_news);
  EXPECT_FALSE(verdict.is_to_be_told);
  EXPECT_TRUE(changes.judge("views.py").is_news);
  EXPECT_EQ(changes.judge("views.py").wait, seconds(0)) << "of somebody, though the app writes its own";
}

TEST(ChangesAtStart, ThatAFileIsTheAppsOwnIsToldOnce) {
  ChangesAtStart changes;
  unsigned told = 0;
  for (int start = 0; start < 9; ++start) {
    changes.begin();
    for (int time = 0; time < 3; ++time) told += changes.judge("stamp.py").is_to_be_told;
  }
  EXPECT_EQ(told, 1U);
  changes.begin();  // one that leaves it alone
  for (int start = 0; start < 9; ++start) {
    changes.begin();
    told += changes.judge("stamp.py").is_to_be_told;
  }
  EXPECT_EQ(told, 2U);
}

TEST(ChangesAtStart, FilesOfEverNewNamesAreReloadedForEverMoreSeldom) {
  ChangesAtStart changes;
  unsigned told = 0;
  base::Duration wait{0};
  for (int start = 0; start < 40; ++start) {
    changes.begin();
    const ChangesAtStart::Verdict verdict = changes.judge("run" + std::to_string(start) + ".py");
    EXPECT_TRUE(verdict.is_news);
    EXPECT_GE(verdict.wait, wait);
    wait = verdict.wait;
    told += verdict.is_to_be_told;
  }
  EXPECT_EQ(wait, ChangesAtStart::kLongestWait);
  EXPECT_EQ(told, 1U);
}

TEST(ChangesAtStart, AStartThatChangesNothingMakesAllNewsAgain) {
  ChangesAtStart changes;
  for (int start = 0; start < 9; ++start) {
    changes.begin();
    changes.judge("stamp.py");
  }
  changes.begin();
  changes.begin();
  EXPECT_TRUE(changes.judge("stamp.py").is_news);
  EXPECT_EQ(changes.judge("stamp.py").wait, seconds(0));
}

}  // namespace
}  // namespace cutwater::supervise
