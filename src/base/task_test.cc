#include "base/task.h"

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace cutwater::base {
namespace {

// Something to wait for, resumed by hand. Takes itself out when its frame is destroyed.
class Gate {
 public:
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiter) noexcept { waiter_ = waiter; }
  void await_resume() noexcept { waiter_ = nullptr; }
  void open() { std::exchange(waiter_, nullptr).resume(); }
  bool waited_for() const { return waiter_ != nullptr; }

 private:
  std::coroutine_handle<> waiter_;
};

// Counts its destruction: shows that a frame's locals are freed, once.
struct Witness {
  explicit Witness(int& destroyed) : destroyed_(&destroyed) {}
  Witness(Witness&& other) noexcept : destroyed_(std::exchange(other.destroyed_, nullptr)) {}
  ~Witness() {
    if (destroyed_ != nullptr) ++*destroyed_;
  }
  int* destroyed_;
};

Task<int> answer(int number) {
  co_return number;
}

Task<int> add(int left, int right) {
  int first = co_await answer(left);
  int second = co_await answer(right);
  co_return first + second;
}

Task<void> store_sum(int& sum) {
  sum = co_await add(2, 3);
}

Task<void> wait_for(Gate& gate, std::vector<std::string>& log) {
  log.emplace_back("before");
  co_await gate;
  log.emplace_back("after");
}

Task<void> store_known(int& number) {
  auto known = Task<int>::of(7);
  Task<int> moved = std::move(known);
  number = co_await moved;
}

Task<void> fail_behind(Gate& gate) {
  co_await gate;
  throw std::runtime_error("it failed");
}

Task<void> store_caught(Task<void> task, std::string& text) {
  auto caught = task.caught();
  const std::exception_ptr failure = co_await caught;
  if (!failure) {
    text = "none";
    co_return;
  }
  try {
    std::rethrow_exception(failure);
  } catch (const std::runtime_error& error) {
    text = error.what();
  }
}

Task<void> hold(Witness witness, Gate& gate) {
  co_await gate;
  (void)witness;
}

Task<void> hold_nested(Witness witness, Gate& gate, int& destroyed) {
  co_await hold(Witness(destroyed), gate);
  (void)witness;
}

Task<int> throw_in_task() {
  throw std::runtime_error("broken");
  co_return 0;
}

Task<void> catch_in_task(std::string& caught) {
  try {
    co_await throw_in_task();
  } catch (const std::runtime_error& error) {
    caught = error.what();
  }
}

Task<std::unique_ptr<int>> make_number() {
  co_return std::make_unique<int>(9);
}

Task<void> take_number(int& number) {
  std::unique_ptr<int> owned = co_await make_number();
  number = *owned;
}

Task<uint64_t> count_down(uint64_t depth) {
  if (depth == 0) co_return 0;
  uint64_t below = co_await count_down(depth - 1);
  co_return below + 1;
}

Task<void> loop_over_ready_tasks(int& rounds) {
  for (int round = 0; round < 100'000; ++round) rounds += co_await answer(1);
}

Task<void> store_depth(uint64_t& depth) {
  depth = co_await count_down(1000);
}

TEST(Task, RunsNestedTasksToTheirEnd) {
  TaskSet set;
  int sum = 0;
  set.start(store_sum(sum));
  EXPECT_EQ(sum, 5);
  EXPECT_EQ(set.size(), 0U);
}

TEST(Task, IsLazy) {
  Gate gate;
  std::vector<std::string> log;
  {
    Task<void> task = wait_for(gate, log);
    EXPECT_FALSE(task.done());
  }
  EXPECT_TRUE(log.empty());
}

TEST(Task, ResumesWhereItWaited) {
  TaskSet set;
  Gate gate;
  std::vector<std::string> log;
  set.start(wait_for(gate, log));
  EXPECT_EQ(log, std::vector<std::string>{"before"});
  EXPECT_EQ(set.size(), 1U);
  gate.open();
  EXPECT_EQ(log, (std::vector<std::string>{"before", "after"}));
  EXPECT_EQ(set.size(), 0U);
}

TEST(Task, CarriesExceptionsToTheAwaiter) {
  TaskSet set;
  std::string caught;
  set.start(catch_in_task(caught));
  EXPECT_EQ(caught, "broken");
}

TEST(Task, MovesItsResultOut) {
  TaskSet set;
  int number = 0;
  set.start(take_number(number));
  EXPECT_EQ(number, 9);
}

TEST(Task, CancellingDestroysAllNestedFramesOnce) {
  int destroyed = 0;
  Gate gate;
  {
    TaskSet set;
    set.start(hold_nested(Witness(destroyed), gate, destroyed));
    EXPECT_TRUE(gate.waited_for());
    EXPECT_EQ(destroyed, 0);
  }
  EXPECT_EQ(destroyed, 2);
}

TEST(Task, CancelAllLeavesTheSetUsable) {
  TaskSet set;
  Gate first;
  Gate second;
  std::vector<std::string> log;
  set.start(wait_for(first, log));
  set.start(wait_for(second, log));
  EXPECT_EQ(set.size(), 2U);
  set.cancel_all();
  EXPECT_EQ(set.size(), 0U);
  int sum = 0;
  set.start(store_sum(sum));
  EXPECT_EQ(sum, 5);
}

TEST(Task, TasksOfASetEndInAnyOrder) {
  TaskSet set;
  Gate gates[3];
  std::vector<std::string> log;
  for (Gate& gate : gates) set.start(wait_for(gate, log));
  gates[1].open();
  EXPECT_EQ(set.size(), 2U);
  gates[2].open();
  gates[0].open();
  EXPECT_EQ(set.size(), 0U);
}

TEST(Task, MoveAssignmentFreesTheOldFrame) {
  int destroyed = 0;
  Gate gate;
  Task<void> task = hold(Witness(destroyed), gate);
  task = hold(Witness(destroyed), gate);
  EXPECT_EQ(destroyed, 1);
  task.reset();
  EXPECT_EQ(destroyed, 2);
  EXPECT_TRUE(task.done());
}

TEST(Task, AResultThatIsKnownIsOne) {
  TaskSet set;
  int number = 0;
  set.start(store_known(number));
  EXPECT_EQ(number, 7);
  EXPECT_TRUE(Task<int>::of(7).done());
}

TEST(Task, AnExceptionCanBeHadInsteadOfThrown) {
  TaskSet set;
  Gate gate;
  std::string text;
  set.start(store_caught(fail_behind(gate), text));
  EXPECT_EQ(text, "");
  gate.open();
  EXPECT_EQ(text, "it failed");
  std::vector<std::string> log;
  set.start(store_caught(wait_for(gate, log), text));
  gate.open();
  EXPECT_EQ(text, "none");
}

TEST(Task, NestsDeeplyAndLoopsLongWithoutStack) {
  TaskSet set;
  uint64_t depth = 0;
  set.start(store_depth(depth));
  EXPECT_EQ(depth, 1000U);
  int rounds = 0;
  set.start(loop_over_ready_tasks(rounds));
  EXPECT_EQ(rounds, 100'000);
}

}  // namespace
}  // namespace cutwater::base
