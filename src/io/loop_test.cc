#include "io/loop.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "io/signals.h"
#include "io/wake.h"
#include "io/watch.h"

namespace cutwater::io {
namespace {

using base::FileDescriptor;

FileDescriptor ready_descriptor() {
  return FileDescriptor(eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC));
}

struct CountingLog : base::LogSink {
  void write(base::Severity, std::string_view, std::string_view text) override { lines.emplace_back(text); }
  std::vector<std::string> lines;
};

struct FunctionHook : TurnHook {
  explicit FunctionHook(std::function<bool()> run) : run_(std::move(run)) {}
  bool end_of_turn() override { return run_(); }
  std::function<bool()> run_;
};

TEST(Loop, RemovedWatcherGetsNoFetchedEvent) {
  Loop loop;
  FileDescriptor first = ready_descriptor();
  FileDescriptor second = ready_descriptor();
  std::unique_ptr<CallbackWatcher> one;
  std::unique_ptr<CallbackWatcher> two;
  int calls = 0;
  auto only_one = [&](uint32_t) {
    ++calls;
    one.reset();
    two.reset();
    loop.stop();
  };
  one = std::make_unique<CallbackWatcher>(loop, first.get(), EPOLLIN, only_one);
  two = std::make_unique<CallbackWatcher>(loop, second.get(), EPOLLIN, only_one);
  loop.run();
  EXPECT_EQ(calls, 1);
}

struct Later : BeforeWait {
  void before_wait() override {
    ++calls;
    if (then) then();
  }
  int calls = 0;
  std::function<void()> then;
};

TEST(Loop, DeferredIsCalledOnceAndMayBeTakenBack) {
  Loop loop;
  Later called, taken_back, by_the_first, deferred_within;
  called.then = [&] {
    loop.take_back(by_the_first);
    loop.defer(deferred_within);
  };
  for (Later* later : {&called, &taken_back, &by_the_first}) loop.defer(*later);
  loop.take_back(taken_back);
  Timer end(loop.timers(), [&] { loop.stop(); });
  end.set(base::monotonic_now() + std::chrono::milliseconds(1));
  loop.run();
  EXPECT_EQ(called.calls, 1);
  EXPECT_EQ(deferred_within.calls, 1);
  EXPECT_EQ(taken_back.calls, 0);
  EXPECT_EQ(by_the_first.calls, 0);
}

TEST(Loop, PatienceLastsUntilItsEnd) {
  Loop loop;
  std::vector<int> policies;
  FunctionHook hook([&] {
    policies.push_back(sched_getscheduler(0));
    if (policies.size() == 1) loop.be_patient_until(loop.now() + std::chrono::milliseconds(20));
    return false;
  });
  loop.add_hook(hook);
  Timer first(loop.timers(), [] {}), second(loop.timers(), [] {}), late(loop.timers(), [] {});
  Timer end(loop.timers(), [&] { loop.stop(); });
  const base::Instant now = base::monotonic_now();
  first.set(now);
  second.set(now + std::chrono::milliseconds(1));
  late.set(now + std::chrono::milliseconds(60));
  end.set(now + std::chrono::milliseconds(90));
  loop.run();
  loop.remove_hook(hook);
  ASSERT_GE(policies.size(), 3u);
  EXPECT_EQ(policies.front(), SCHED_OTHER);
  EXPECT_EQ(policies[1], SCHED_BATCH);
  EXPECT_EQ(policies.back(), SCHED_OTHER);
  EXPECT_FALSE(loop.patient());
}

TEST(Loop, PollsOnceWhenAsked) {
  Loop loop;
  std::vector<size_t> events;
  FunctionHook hook([&] {
    events.push_back(loop.events_of_turn());
    if (events.size() == 1) loop.poll_next();
    return false;
  });
  FileDescriptor first = ready_descriptor();
  FileDescriptor second = ready_descriptor();
  const CallbackWatcher one(loop, first.get(), EPOLLIN | EPOLLET, [](uint32_t) {});
  const CallbackWatcher two(loop, second.get(), EPOLLIN | EPOLLET, [](uint32_t) {});
  Timer end(loop.timers(), [&] { loop.stop(); });
  end.set(base::monotonic_now() + std::chrono::milliseconds(20));
  loop.add_hook(hook);
  loop.run();
  loop.remove_hook(hook);
  // The turn of the events, the poll that finds none, and the one that blocked until the timer.
  EXPECT_EQ(events, (std::vector<size_t>{2, 0, 0}));
}

TEST(Loop, StopBeforeRunReturnsAtOnce) {
  Loop loop;
  loop.stop();
  loop.run();
}

TEST(Loop, PostRunsOnTheLoopFromAnotherThread) {
  Loop loop;
  const auto here = std::this_thread::get_id();
  std::vector<int> seen;
  std::thread other([&] {
    for (int number = 0; number < 1000; ++number) {
      loop.post([&, number] {
        EXPECT_EQ(std::this_thread::get_id(), here);
        seen.push_back(number);
      });
    }
    loop.post([&] { loop.stop(); });
  });
  loop.run();
  other.join();
  ASSERT_EQ(seen.size(), 1000u);
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
}

TEST(Loop, TimersRunAndTurnsDoNotSpin) {
  Loop loop;
  int turns = 0;
  FunctionHook hook([&] {
    ++turns;
    return false;
  });
  loop.add_hook(hook);
  Timer timer(loop.timers(), [&] { loop.stop(); });
  const base::Instant began = base::monotonic_now();
  timer.set(began + std::chrono::milliseconds(30));
  loop.run();
  EXPECT_GE(base::monotonic_now() - began, std::chrono::milliseconds(30));
  EXPECT_LE(turns, 4);
  loop.remove_hook(hook);
}

TEST(Loop, HooksRunInBoundedRoundsThenPoll) {
  Loop loop;
  int calls = 0;
  FunctionHook busy([&] {
    if (++calls == 100) loop.stop();
    return true;
  });
  int events = 0;
  FileDescriptor descriptor = ready_descriptor();
  CallbackWatcher watcher(loop, descriptor.get(), EPOLLIN, [&](uint32_t) { ++events; });
  loop.add_hook(busy);
  loop.run();
  loop.remove_hook(busy);
  EXPECT_GE(calls, 100);
  EXPECT_GE(events, 10);  // descriptors had their turn in between
}

TEST(Loop, HookMayAskForAnotherRoundAndRemoveItself) {
  Loop loop;
  int rounds = 0;
  std::unique_ptr<FunctionHook> second;
  FunctionHook first([&] {
    ++rounds;
    return false;
  });
  second = std::make_unique<FunctionHook>([&] {
    loop.run_hooks_again();
    loop.remove_hook(*second);
    loop.post([&] { loop.stop(); });
    return false;
  });
  loop.add_hook(first);
  loop.add_hook(*second);
  Timer start(loop.timers(), [] {});
  start.set(loop.now());
  loop.run();
  EXPECT_GE(rounds, 2);
  loop.remove_hook(first);
}

TEST(Loop, ReportsALongTurn) {
  Loop loop;
  CountingLog log;
  loop.watch_turns(log);
  loop.post([&] {
    usleep(60'000);
    loop.post([&] {
      usleep(60'000);
      loop.stop();
    });
  });
  loop.run();
  ASSERT_EQ(log.lines.size(), 1u);  // the second one comes too soon after the first
  EXPECT_NE(log.lines[0].find(" ms"), std::string::npos);
}

int64_t own_milliseconds() {
  timespec used{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return used.tv_sec * 1000 + used.tv_nsec / 1'000'000;
}

// Eight threads want the one processor that this thread may use.
TEST(Loop, DoesNotReportThatTheMachineIsBusy) {
  Loop loop;
  CountingLog log;
  loop.watch_turns(log);
  cpu_set_t before, one;
  ASSERT_EQ(sched_getaffinity(0, sizeof before, &before), 0);
  CPU_ZERO(&one);
  for (size_t cpu = 0; CPU_COUNT(&one) == 0; ++cpu) {
    if (CPU_ISSET(cpu, &before)) CPU_SET(cpu, &one);
  }
  ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
  std::atomic<bool> done = false;
  std::vector<std::thread> others;
  for (int i = 0; i < 8; ++i) {
    others.emplace_back([&] {
      while (!done) {
      }
    });
  }
  base::Duration took{};
  loop.post([&] {
    const base::Instant began = base::monotonic_now();
    const int64_t enough = own_milliseconds() + 25;
    while (own_milliseconds() < enough) {
    }
    took = base::monotonic_now() - began;
    loop.stop();
  });
  loop.run();
  done = true;
  for (std::thread& other : others) other.join();
  sched_setaffinity(0, sizeof before, &before);
  EXPECT_GT(took, std::chrono::milliseconds(50));
  EXPECT_TRUE(log.lines.empty()) << log.lines.front();
}

TEST(WakeWatcher, WakesForEachWriteWithoutReading) {
  Loop loop;
  int wakes = 0;
  auto descriptor = create_wake_descriptor();
  ASSERT_TRUE(descriptor.ok());
  WakeWatcher* self = nullptr;
  WakeWatcher watcher(loop, std::move(*descriptor), [&] {
    if (++wakes == 3) return loop.stop();
    self->wake();
  });
  self = &watcher;
  watcher.wake();
  loop.run();
  EXPECT_EQ(wakes, 3);
}

TEST(SignalWatcher, DeliversInTheLoop) {
  sigset_t before;
  pthread_sigmask(SIG_SETMASK, nullptr, &before);
  Loop loop;
  std::vector<int> seen;
  auto watcher = SignalWatcher::create(loop, {SIGUSR1, SIGUSR2}, [&](int signal) {
    seen.push_back(signal);
    if (seen.size() == 2) loop.stop();
  });
  ASSERT_TRUE(watcher.ok());
  kill(getpid(), SIGUSR1);
  kill(getpid(), SIGUSR2);
  loop.run();
  EXPECT_EQ(seen, (std::vector<int>{SIGUSR1, SIGUSR2}));
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

TEST(SignalWatcher, ChildStartsWithDefaultSignals) {
  signal(SIGPIPE, SIG_IGN);
  const pid_t child = fork();
  if (child == 0) {
    reset_signals_for_child();
    struct sigaction action;
    sigaction(SIGPIPE, nullptr, &action);
    _exit(action.sa_handler == SIG_DFL ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace cutwater::io
