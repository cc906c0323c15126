#include "io/timer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace cutwater::io {
namespace {

using base::Instant;

TEST(Timer, FiresInOrderOfDeadline) {
  TimerQueue queue;
  std::string fired;
  Timer a(queue, [&] { fired += 'a'; });
  Timer b(queue, [&] { fired += 'b'; });
  Timer c(queue, [&] { fired += 'c'; });
  a.set(Instant{30});
  b.set(Instant{10});
  c.set(Instant{20});
  EXPECT_EQ(queue.next(), Instant{10});
  queue.fire_due(Instant{9});
  EXPECT_EQ(fired, "");
  queue.fire_due(Instant{25});
  EXPECT_EQ(fired, "bc");
  EXPECT_FALSE(b.armed());
  queue.fire_due(Instant{30});
  EXPECT_EQ(fired, "bca");
  EXPECT_EQ(queue.next(), base::kNever);
}

TEST(Timer, MovedLaterFiresOnlyThen) {
  TimerQueue queue;
  int fired = 0;
  Timer timer(queue, [&] { ++fired; });
  timer.set(Instant{10});
  timer.set(Instant{50});
  EXPECT_EQ(queue.next(), Instant{10});  // found out when the old moment comes
  queue.fire_due(Instant{20});
  EXPECT_EQ(fired, 0);
  EXPECT_EQ(queue.next(), Instant{50});
  queue.fire_due(Instant{50});
  EXPECT_EQ(fired, 1);
}

TEST(Timer, MovedEarlierFiresEarlier) {
  TimerQueue queue;
  int fired = 0;
  Timer timer(queue, [&] { ++fired; });
  timer.set(Instant{50});
  timer.set(Instant{10});
  EXPECT_EQ(queue.next(), Instant{10});
  queue.fire_due(Instant{10});
  queue.fire_due(Instant{50});
  EXPECT_EQ(fired, 1);
}

TEST(Timer, CancelledNeverFiresAndMayBeSetAgain) {
  TimerQueue queue;
  int fired = 0;
  Timer timer(queue, [&] { ++fired; });
  timer.set(Instant{10});
  timer.cancel();
  EXPECT_FALSE(timer.armed());
  queue.fire_due(Instant{10});
  EXPECT_EQ(fired, 0);
  EXPECT_EQ(queue.next(), base::kNever);
  timer.set(Instant{20});
  queue.fire_due(Instant{20});
  EXPECT_EQ(fired, 1);
}

TEST(Timer, CallbackMaySetItselfToNowWithoutHoldingTheLoop) {
  TimerQueue queue;
  int fired = 0;
  Timer* self = nullptr;
  Timer timer(queue, [&] {
    ++fired;
    self->set(Instant{5});
  });
  self = &timer;
  timer.set(Instant{5});
  queue.fire_due(Instant{5});
  EXPECT_EQ(fired, 1);
  queue.fire_due(Instant{5});
  EXPECT_EQ(fired, 2);
}

TEST(Timer, CallbackMayDestroyItsTimerAndOthers) {
  TimerQueue queue;
  std::string note = "kept alive by the capture, long enough to be on the heap";
  std::string seen;
  std::unique_ptr<Timer> first;
  std::unique_ptr<Timer> second;
  first = std::make_unique<Timer>(queue, [&, note] {
    first.reset();
    second.reset();
    seen = note;
  });
  second = std::make_unique<Timer>(queue, [&] { FAIL(); });
  first->set(Instant{1});
  second->set(Instant{2});
  queue.fire_due(Instant{3});
  EXPECT_EQ(seen, note);
  EXPECT_EQ(queue.next(), base::kNever);
}

TEST(Timer, ManyAgainstASortedModel) {
  std::mt19937 random(7);
  TimerQueue queue;
  std::vector<Instant> fired;
  Instant now{0};
  struct Entry {
    std::unique_ptr<Timer> timer;
    Instant wanted = base::kNever;
  };
  std::vector<Entry> entries(200);
  for (Entry& entry : entries) {
    entry.timer = std::make_unique<Timer>(queue, [&] {
      EXPECT_LE(entry.wanted, now);
      entry.wanted = base::kNever;
    });
  }
  for (int step = 0; step < 20'000; ++step) {
    Entry& entry = entries[random() % entries.size()];
    switch (random() % 4) {
      case 0:
        entry.timer->cancel();
        entry.wanted = base::kNever;
        break;
      case 1:
        now = now + base::Duration(random() % 50);
        queue.fire_due(now);
        for (const Entry& other : entries) ASSERT_TRUE(other.wanted == base::kNever || other.wanted > now);
        break;
      default:
        entry.wanted = now + base::Duration(1 + random() % 1000);
        entry.timer->set(entry.wanted);
    }
  }
}

}  // namespace
}  // namespace cutwater::io
