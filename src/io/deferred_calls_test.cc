#include "io/deferred_calls.h"

#include <gtest/gtest.h>

#include <functional>

#include "io/loop.h"

namespace cutwater::io {
namespace {

struct Call : BeforeWait {
  void before_wait() override {
    ++calls;
    if (then) then();
  }
  bool urgent() const override { return hurry; }
  int calls = 0;
  bool hurry = false;
  std::function<void()> then;
};

const base::Instant kStart = base::monotonic_now();

TEST(DeferredCalls, TheUrgentAreCalledWhenTheLoopBlocks) {
  DeferredCalls calls;
  Call urgent, other;
  urgent.hurry = true;
  calls.add(urgent, kStart);
  calls.add(other, kStart);
  calls.call(kStart, false);
  EXPECT_EQ(urgent.calls, 0);
  calls.call(kStart, true);
  EXPECT_EQ(urgent.calls, 1);
  EXPECT_EQ(other.calls, 0);
  EXPECT_TRUE(calls.any());
}

TEST(DeferredCalls, OthersAfterAWhileEvenIfTheLoopNeverBlocks) {
  DeferredCalls calls;
  Call first, second;
  calls.add(first, kStart);
  calls.add(second, kStart + std::chrono::milliseconds(1));
  calls.call(kStart + DeferredCalls::kLongest, false);
  EXPECT_EQ(first.calls, 1);
  EXPECT_EQ(second.calls, 0);
  calls.call(kStart + 2 * DeferredCalls::kLongest, false);
  EXPECT_EQ(first.calls, 1);
  EXPECT_EQ(second.calls, 1);
  EXPECT_FALSE(calls.any());
}

TEST(DeferredCalls, TakenBackWhereverTheyStandByThen) {
  DeferredCalls calls;
  Call gone, moved, stays;
  for (Call* call : {&gone, &moved, &stays}) calls.add(*call, kStart);
  calls.take_back(gone);
  calls.call(kStart, true);  // the others move up
  calls.take_back(moved);
  calls.take_back(gone);  // once more: of no effect
  calls.call(kStart + DeferredCalls::kLongest, true);
  EXPECT_EQ(gone.calls + moved.calls, 0);
  EXPECT_EQ(stays.calls, 1);
}

TEST(DeferredCalls, MayGrowAndShrinkWhileTheyRun) {
  DeferredCalls calls;
  Call first, taken_back, added;
  for (Call* call : {&first, &taken_back}) {
    call->hurry = true;
    calls.add(*call, kStart);
  }
  added.hurry = true;
  first.then = [&] {
    calls.take_back(taken_back);
    calls.add(added, kStart);
  };
  calls.call(kStart, true);
  EXPECT_EQ(first.calls, 1);
  EXPECT_EQ(taken_back.calls, 0);
  EXPECT_EQ(added.calls, 1);
  EXPECT_FALSE(calls.any());
}

TEST(DeferredCalls, TheLoopWakesForThem) {
  Loop loop;
  Call call;
  call.then = [&] {
    loop.stop();
    loop.run_hooks_again();  // it is about to block
  };
  loop.defer(call);
  loop.run();  // nothing else would end it
  EXPECT_EQ(call.calls, 1);
}

}  // namespace
}  // namespace cutwater::io
