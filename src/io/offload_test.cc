#include "io/offload.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <atomic>
#include <stdexcept>

#include "base/task.h"

namespace cutwater::io {
namespace {

using base::Task;

Task<void> offloaded(Loop& loop, Offload& offload, std::atomic<int>& ran, int& resumed, int expected) {
  const auto here = std::this_thread::get_id();
  auto work = [&ran, here] {
    EXPECT_NE(std::this_thread::get_id(), here);
    ++ran;
  };
  auto running = offload.run(work);
  co_await running;
  EXPECT_EQ(std::this_thread::get_id(), here);
  if (++resumed == expected) loop.stop();
}

TEST(Offload, RunsElsewhereAndResumesHere) {
  Loop loop;
  Offload offload(loop, 3);
  std::atomic<int> ran = 0;
  int resumed = 0;
  base::TaskSet tasks;
  for (int count = 0; count < 50; ++count) tasks.start(offloaded(loop, offload, ran, resumed, 50));
  loop.run();
  EXPECT_EQ(ran, 50);
  EXPECT_EQ(resumed, 50);
}

Task<void> failing(Loop& loop, Offload& offload, std::string& what) {
  auto running = offload.run([] { throw std::runtime_error("disk on fire"); });
  try {
    co_await running;
  } catch (const std::runtime_error& error) {
    what = error.what();
  }
  loop.stop();
}

TEST(Offload, ExceptionsReachTheWaiter) {
  Loop loop;
  Offload offload(loop, 1);
  std::string what;
  base::TaskSet tasks;
  tasks.start(failing(loop, offload, what));
  loop.run();
  EXPECT_EQ(what, "disk on fire");
}

TEST(Offload, AWaiterMayBeDestroyedWhileItsWorkRuns) {
  Loop loop;
  Offload offload(loop, 2);
  auto ran = std::make_shared<std::atomic<int>>(0);
  bool resumed = false;
  base::TaskSet tasks;
  auto waiter = [](Offload& pool, std::shared_ptr<std::atomic<int>> count, bool& flag) -> Task<void> {
    auto running = pool.run([count] {
      usleep(20'000);
      ++*count;
    });
    co_await running;
    flag = true;
  };
  tasks.start(waiter(offload, ran, resumed));
  usleep(5'000);
  tasks.cancel_all();
  while (*ran == 0) usleep(1'000);
  loop.post([&] { loop.post([&] { loop.stop(); }); });
  loop.run();
  EXPECT_FALSE(resumed);
}

// A new thread inherits how its maker is scheduled.
TEST(Offload, ThePatienceOfTheLoopIsItsOwn) {
  Loop loop;
  Offload offload(loop, 1);
  bool was_patient = false;
  int policy = -1;
  auto look = [](Offload& pool, Loop& owner, int& found) -> Task<void> {
    auto running = pool.run([&found] { found = sched_getscheduler(0); });
    co_await running;
    owner.stop();
  };
  base::TaskSet tasks;
  Timer turn(loop.timers(), [&] {
    was_patient = loop.patient();
    tasks.start(look(offload, loop, policy));
  });
  loop.be_patient_until(loop.now() + std::chrono::seconds(10));
  turn.set(loop.now());
  loop.run();
  EXPECT_TRUE(was_patient);
  EXPECT_EQ(policy, SCHED_OTHER);
}

TEST(Offload, EndsWithQueuedWork) {
  Loop loop;
  std::atomic<int> ran = 0;
  int resumed = 0;
  base::TaskSet tasks;
  {
    Offload offload(loop, 1);
    for (int count = 0; count < 20; ++count) tasks.start(offloaded(loop, offload, ran, resumed, 100));
    tasks.cancel_all();
  }
  EXPECT_EQ(resumed, 0);
}

}  // namespace
}  // namespace cutwater::io
