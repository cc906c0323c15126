#include "supervise/app_supervisor.h"

#include <dirent.h>
#include <signal.h>

#include "supervise/app_test_support.h"

namespace cutwater::supervise {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

size_t count_of(const char* folder) {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder)) ++count;
  return count;
}

bool alive(pid_t pid) {
  return kill(pid, 0) == 0;
}

TEST_F(AppTest, ServesWhenWorkersAreReady) {
  ASSERT_TRUE(start_serving()) << log.all();
  EXPECT_EQ(fronts->swapped, 1u);
  EXPECT_EQ(fronts->sent_of("worker_started"), 2u);
  EXPECT_EQ(fronts->sent.front()["type"], "generation");
  EXPECT_TRUE(log.lines.empty()) << log.all();
}

TEST_F(AppTest, AppFailsAtTheFirstStart) {
  behave("fail");
  start();
  ASSERT_TRUE(run_until([this] { return failed.has_value(); }));
  EXPECT_EQ(failed->exit_code, 4);
  EXPECT_TRUE(log.has("CW0310 shop: no such object"));
  EXPECT_EQ(fronts->sent_of("app_failed"), 1u);
}

TEST_F(AppTest, CrashAtImportNamesSignalAndStep) {
  behave("crash_at_import");
  start();
  ASSERT_TRUE(run_until([this] { return failed.has_value(); }));
  EXPECT_EQ(failed->exit_code, 3);
  EXPECT_TRUE(log.has("was killed by SIGSEGV")) << log.all();
  EXPECT_TRUE(log.has("while importing the app")) << log.all();
}

TEST_F(AppTest, ImportThatHangsIsGivenUp) {
  behave("hang_at_import");
  spec.start_timeout = milliseconds(300);
  start();
  ASSERT_TRUE(run_until([this] { return failed.has_value(); }));
  EXPECT_TRUE(log.has("CW0317")) << log.all();
}

TEST_F(AppTest, NonsenseFromTheInterpreterEndsTheStart) {
  behave("nonsense");
  start();
  EXPECT_TRUE(run_until([this] { return failed.has_value(); })) << log.all();
}

TEST_F(AppTest, MissingInterpreterSaysWho) {
  spec.python = "/nowhere/python";
  start();
  ASSERT_TRUE(failed);
  EXPECT_TRUE(log.has("cannot execute /nowhere/python: No such file or directory")) << log.all();
}

TEST_F(AppTest, WorkersThatNeverGetReadyFailTheGeneration) {
  behave("crash_at_start");
  start();
  ASSERT_TRUE(run_until([this] { return failed.has_value(); }));
  EXPECT_TRUE(log.has("exited with status 9")) << log.all();
}

TEST_F(AppTest, DeadWorkerIsReplacedAtOnce) {
  ASSERT_TRUE(start_serving());
  const pid_t victim = fronts->workers.begin()->second;
  kill(victim, SIGKILL);
  const base::Instant before = base::monotonic_now();
  ASSERT_TRUE(run_until([this] { return log.has("was killed by SIGKILL, maybe out of memory"); }));
  ASSERT_TRUE(run_until([this] { return app->serving()->ready_workers() == 2; }));
  EXPECT_LT(base::monotonic_now() - before, seconds(1));
}

TEST_F(AppTest, CrashLoopBacksOff) {
  ASSERT_TRUE(start_serving());
  behave("crash_when_ready");
  app->reload(spec, "test");
  ASSERT_TRUE(run_until([this] { return fronts->swapped == 2; })) << log.all();
  run_for(seconds(2));
  // For each of the two: at once, then after 0.1, 0.2, 0.4, 0.8 s.
  EXPECT_LE(fronts->sent_of("worker_started"), 2u + 2 * 7);
  EXPECT_GE(fronts->sent_of("worker_started"), 2u + 2 * 3);
  EXPECT_GE(fronts->sent_of("workers_paused"), 1u);
  EXPECT_TRUE(log.has("CW0529")) << log.all();
}

TEST_F(AppTest, ShortPausesAreNotWorthAWord) {
  spec.queue_timeout = seconds(10);
  ASSERT_TRUE(start_serving());
  behave("crash_when_ready");
  app->reload(spec, "test");
  ASSERT_TRUE(run_until([this] { return fronts->swapped == 2; })) << log.all();
  run_for(seconds(1));
  EXPECT_EQ(fronts->sent_of("workers_paused"), 0u);
}

TEST_F(AppTest, ReloadSwapsAndEndsTheOldGeneration) {
  ASSERT_TRUE(start_serving());
  std::vector<pid_t> old;
  for (auto [lane, pid] : fronts->workers) old.push_back(pid);
  app->reload(spec, "test");
  ASSERT_TRUE(run_until([this] { return fronts->sent_of("drop_generation") == 1; })) << log.all();
  EXPECT_EQ(fronts->swapped, 2u);
  for (pid_t pid : old) EXPECT_FALSE(alive(pid));
  EXPECT_TRUE(log.has("generation 2 serves"));
}

TEST_F(AppTest, BrokenReloadKeepsTheOldGeneration) {
  ASSERT_TRUE(start_serving());
  behave("fail");
  app->reload(spec, "test");
  ASSERT_TRUE(run_until([this] { return log.has("generation 1 keeps serving\nno such object"); }));
  run_for(milliseconds(200));
  EXPECT_EQ(fronts->swapped, 1u);
  EXPECT_EQ(app->serving()->ready_workers(), 2u);
  behave("well");
  app->reload(spec, "test");
  EXPECT_TRUE(run_until([this] { return fronts->swapped == 3; })) << log.all();
}

TEST_F(AppTest, ReloadStormIsTwoReloads) {
  ASSERT_TRUE(start_serving());
  for (int i = 0; i < 1000; ++i) app->reload(spec, "test");
  ASSERT_TRUE(run_until([this] { return fronts->sent_of("drop_generation") == 2; }));
  EXPECT_EQ(fronts->swapped, 3u);
}

// Settings come with a HUP, and the files that were written with them are seen while the app still starts.
TEST_F(AppTest, ChangedCodeTakesNoSettingsBackThatWait) {
  ASSERT_TRUE(start_serving());
  app->reload(spec, "test");
  AppSpec more = spec;
  more.workers = 3;
  app->reload(more, "test");
  app->reload_as_it_is("test");
  ASSERT_TRUE(run_until([this] { return fronts->sent_of("drop_generation") == 2; })) << log.all();
  EXPECT_EQ(app->serving()->spec().workers, 3u);
}

TEST_F(AppTest, ReloadsLeaveNothingBehind) {
  ASSERT_TRUE(start_serving(2));
  app->reload(spec, "warm up");
  const auto settled = [this](size_t reloads) {
    return fronts->sent_of("drop_generation") == 2 * reloads && app->serving()->ready_workers() == 2;
  };
  ASSERT_TRUE(run_until([&] { return settled(1); }));
  const size_t descriptors = count_of("/proc/self/fd");
  for (size_t i = 0; i < 5; ++i) {
    app->reload(spec, "test");
    ASSERT_TRUE(run_until([&] { return settled(i + 2); })) << log.all();
  }
  // The fake fronts keep the pidfds they were given: two workers, two fronts, five reloads.
  EXPECT_EQ(count_of("/proc/self/fd"), descriptors + 2 * 2 * 5);
}

TEST_F(AppTest, DrainingGenerationIsEndedByItsDeadline) {
  spec.grace = milliseconds(500);
  behave("ignore_quit");
  ASSERT_TRUE(start_serving());
  fronts->answer_drained = false;
  behave("well");
  app->reload(spec, "test");
  ASSERT_TRUE(run_until([this] { return fronts->sent_of("drop_generation") == 1; })) << log.all();
  EXPECT_TRUE(log.has("requests running longer than grace")) << log.all();
  EXPECT_TRUE(log.has("was killed")) << log.all();
}

TEST_F(AppTest, StuckWorkerIsReplacedFirst) {
  spec.grace = milliseconds(300);
  behave("ignore_quit");
  ASSERT_TRUE(start_serving());
  const auto [lane, pid] = *fronts->workers.begin();
  fronts->say(0, {{"type", "worker_stuck"},
                  {"app", "shop"},
                  {"generation", 1},
                  {"lane", lane},
                  {"method", "GET"},
                  {"path", "/report"},
                  {"client", "504"}});
  ASSERT_TRUE(run_until([this] { return fronts->sent_of("worker_started") == 3; }));
  EXPECT_TRUE(alive(pid));
  EXPECT_TRUE(log.has("GET /report took longer than timeout = 60 s")) << log.all();
  EXPECT_EQ(fronts->sent_of("retire_worker"), 1u);
  ASSERT_TRUE(run_until([pid = pid] { return !alive(pid); }));
  ASSERT_TRUE(run_until([this] { return app->serving()->ready_workers() == 2; }));
}

TEST_F(AppTest, WorkerThatEndsByItselfIsReplacedBeforeItIsDone) {
  spec.grace = milliseconds(300);
  behave("ignore_quit end_by_themselves");
  ASSERT_TRUE(start_serving());
  ASSERT_TRUE(run_until([this] { return fronts->sent_of("worker_started") == 3; })) << log.all();
  EXPECT_TRUE(
      log.has("ended by itself, as the app called for (SystemExit or KeyboardInterrupt); another one is started"))
      << log.all();
  EXPECT_EQ(fronts->sent_of("retire_worker"), 1u);
  ASSERT_TRUE(run_until([this] { return app->serving()->ready_workers() == 2; }));
  // It still runs requests, but not for ever.
  ASSERT_TRUE(run_until([this] { return log.has("was killed"); })) << log.all();
  EXPECT_EQ(app->serving()->ready_workers(), 2u);
}

TEST_F(AppTest, BrokenWorkerIsReplaced) {
  ASSERT_TRUE(start_serving());
  const auto [lane, pid] = *fronts->workers.begin();
  fronts->say(0, {{"type", "worker_broken"}, {"app", "shop"}, {"generation", 1}, {"lane", lane}, {"why", "bad frame"}});
  ASSERT_TRUE(run_until([pid = pid] { return !alive(pid); }));
  ASSERT_TRUE(run_until([this] { return app->serving()->ready_workers() == 2; }));
  EXPECT_TRUE(log.has("CW0522")) << log.all();
}

TEST_F(AppTest, MemoryThatIsSpoiledAfterEachStartBringsGenerationsAtLongerAndLongerIntervals) {
  ASSERT_TRUE(start_serving());
  bool spoiled = false;
  world->check_segment = [&spoiled](int) {
    return spoiled ? base::Result<void>(base::Error{"damaged"}) : base::Result<void>();
  };
  for (uint64_t generation = 2; !log.has("starts in 0.2 s"); ++generation) {
    ASSERT_LT(generation, 20u) << log.all();
    spoiled = true;
    kill(fronts->workers.begin()->second, SIGKILL);
    const std::string starts = "workers are missing; generation " + std::to_string(generation) + " starts";
    ASSERT_TRUE(run_until([&] { return log.has(starts); })) << log.all();
    spoiled = false;
    ASSERT_TRUE(run_until([&] { return fronts->swapped == generation; })) << log.all();
  }
  ASSERT_TRUE(run_until([this] { return app->serving()->ready_workers() == 2; }));
}

TEST_F(AppTest, StoppedWorkerIsReplaced) {
  spec.timeout = milliseconds(500);
  ASSERT_TRUE(start_serving());
  const pid_t pid = fronts->workers.begin()->second;
  kill(pid, SIGSTOP);
  ASSERT_TRUE(run_until([pid] { return !alive(pid); })) << log.all();
  EXPECT_TRUE(log.has("is stopped (SIGSTOP)")) << log.all();
  ASSERT_TRUE(run_until([this] { return app->serving()->ready_workers() == 2; }));
}

TEST_F(AppTest, MessagesThatNameNothingAreIgnored) {
  ASSERT_TRUE(start_serving());
  fronts->say(0, {{"type", "lane_free"}, {"app", "shop"}, {"generation", 1}, {"lane", 4000000}});
  fronts->say(0, {{"type", "lane_free"}, {"app", "shop"}, {"generation", 9}, {"lane", 0}});
  fronts->say(0, {{"type", "lane_free"}, {"app", "shop"}, {"generation", 1}, {"lane", 0}});
  fronts->say(0, {{"type", "worker_stuck"},
                  {"app", "shop"},
                  {"generation", 1},
                  {"lane", 77},
                  {"method", ""},
                  {"path", ""},
                  {"seconds", 1}});
  fronts->say(0, {{"type", "generation_drained"}, {"app", "shop"}, {"generation", 1}});
  fronts->say(0, {{"type", "worker_broken"}, {"app", "shop"}});
  run_for(milliseconds(100));
  EXPECT_EQ(app->serving()->ready_workers(), 2u);
}

TEST_F(AppTest, ZygoteDeathLeavesWorkersAndTheNextNeedBringsANewOne) {
  ASSERT_TRUE(start_serving());
  behave("well");
  const pid_t zygote = app->serving()->interpreter_pid();
  ASSERT_GT(zygote, 0);
  kill(zygote, SIGKILL);
  ASSERT_TRUE(run_until([this] { return log.has("its workers serve on"); })) << log.all();
  EXPECT_EQ(app->serving()->ready_workers(), 2u);
  kill(fronts->workers.begin()->second, SIGKILL);
  ASSERT_TRUE(run_until([this] { return fronts->swapped == 2; })) << log.all();
}

TEST_F(AppTest, NobodyWaitsForCodeThatDoesNotStart) {
  ASSERT_TRUE(start_serving());
  behave("fail");
  kill(app->serving()->interpreter_pid(), SIGKILL);
  for (auto [lane, pid] : fronts->workers) kill(pid, SIGKILL);
  const auto refusals = [this] {
    return std::count_if(fronts->sent.begin(), fronts->sent.end(),
                         [](const auto& body) { return body["type"] == "workers_paused" && body["refuse"] == true; });
  };
  ASSERT_TRUE(run_until([&] { return refusals() >= 2; })) << log.all();
  EXPECT_TRUE(
      log.has("CW0310 shop: new code does not start; no worker is left, requests are answered 503 until it "
              "does\nno such object"))
      << log.all();
  ASSERT_TRUE(run_until([this] { return log.has("still does not start"); })) << log.all();
  EXPECT_EQ(log.all().find("no such object"), log.all().rfind("no such object")) << "told once";
  behave("well");
  ASSERT_TRUE(run_until([this] { return fronts->swapped > 1 && app->serving()->ready_workers() == 2; })) << log.all();
}

TEST_F(AppTest, NobodyWaitsForALoneWorkerWhoseCodeDoesNotStart) {
  behave("unsafe");
  ASSERT_TRUE(start_serving()) << log.all();
  behave("fail");
  for (auto [lane, pid] : fronts->workers) kill(pid, SIGKILL);
  const auto refused = [this] {
    return std::any_of(fronts->sent.begin(), fronts->sent.end(),
                       [](const auto& body) { return body["type"] == "workers_paused" && body["refuse"] == true; });
  };
  ASSERT_TRUE(run_until(refused)) << log.all();
  EXPECT_TRUE(log.has("CW0310 shop: no such object")) << log.all();
  behave("unsafe");
  ASSERT_TRUE(run_until([this] { return app->serving()->ready_workers() == 2; })) << log.all();
}

TEST_F(AppTest, ForkThatFailsIsToldOnceAndTriedAgain) {
  ASSERT_TRUE(start_serving());
  const pid_t zygote = app->serving()->interpreter_pid();
  behave("fork_fails");
  kill(fronts->workers.begin()->second, SIGKILL);
  ASSERT_TRUE(run_until([this] { return log.has("no worker can be forked: no more processes; 1 serve"); }))
      << log.all();
  run_for(milliseconds(500));
  EXPECT_EQ(app->serving()->ready_workers(), 1u);
  behave("well");
  ASSERT_TRUE(run_until([this] { return app->serving()->ready_workers() == 2; })) << log.all();
  EXPECT_EQ(app->serving()->interpreter_pid(), zygote);
  const std::string text = log.all();
  EXPECT_EQ(text.find("cannot be forked"), std::string::npos);
  EXPECT_EQ(text.find("no worker can be forked"), text.rfind("no worker can be forked")) << text;
  EXPECT_TRUE(log.has("workers can be forked again"));
}

TEST_F(AppTest, ZygoteThatHangsAtAForkIsKilled) {
  ASSERT_TRUE(start_serving());
  spec.start_timeout = seconds(1);
  app->reload(spec, "shorter patience");
  ASSERT_TRUE(run_until([this] {
    return fronts->sent_of("drop_generation") == 1 && app->serving()->ready_workers() == 2;
  })) << log.all();
  const pid_t zygote = app->serving()->interpreter_pid();
  kill(zygote, SIGSTOP);
  kill(fronts->workers.begin()->second, SIGKILL);
  ASSERT_TRUE(run_until([this] { return fronts->swapped == 3; })) << log.all();
  ASSERT_TRUE(run_until([zygote] { return !alive(zygote); })) << log.all();
  EXPECT_TRUE(log.has("CW0524 shop: its zygote did not fork worker 3 within start_timeout = 1 s; it is killed"))
      << log.all();
  EXPECT_TRUE(log.has("its zygote was killed; its workers serve on")) << log.all();
  EXPECT_TRUE(log.has("shop: worker 3 never started; the next one comes with a new generation")) << log.all();
  ASSERT_TRUE(run_until([this] { return fronts->sent_of("drop_generation") == 2; })) << log.all();
}

TEST_F(AppTest, DrainingGenerationStartsNoWorker) {
  ASSERT_TRUE(start_serving());
  std::vector<pid_t> old;
  for (auto [lane, pid] : fronts->workers) old.push_back(pid);
  fronts->answer_drained = false;
  app->reload(spec, "test");
  ASSERT_TRUE(run_until([this] { return fronts->swapped == 2 && app->serving()->ready_workers() == 2; })) << log.all();
  const size_t started = fronts->sent_of("worker_started");
  for (pid_t pid : old) kill(pid, SIGKILL);
  run_for(milliseconds(500));
  EXPECT_EQ(fronts->sent_of("worker_started"), started);
  EXPECT_EQ(fronts->swapped, 2u);
  fronts->say(0, {{"type", "generation_drained"}, {"app", "shop"}, {"generation", 1}});
  ASSERT_TRUE(run_until([this] { return fronts->sent_of("drop_generation") == 1; })) << log.all();
}

TEST_F(AppTest, ZygoteThatDiesWhileForkingFailsTheStart) {
  behave("zygote_dies_at_fork");
  start();
  ASSERT_TRUE(run_until([this] { return failed.has_value(); })) << log.all();
  EXPECT_TRUE(log.has("exited with status 7")) << log.all();
}

TEST_F(AppTest, UnsafeAppRunsLoneWorkers) {
  behave("unsafe");
  ASSERT_TRUE(start_serving()) << log.all();
  EXPECT_TRUE(log.has("started one by one instead of forked: a thread")) << log.all();
  kill(fronts->workers.begin()->second, SIGKILL);
  ASSERT_TRUE(run_until([this] { return fronts->sent_of("worker_started") == 3; }));
  ASSERT_TRUE(run_until([this] { return app->serving()->ready_workers() == 2; }));
  app->reload(spec, "test");
  ASSERT_TRUE(run_until([this] { return fronts->swapped == 2; })) << log.all();
  EXPECT_TRUE(app->serving()->lone());
  behave("well");
  app->reload(spec, "test");  // found to be safe now, so the one after it is forked again
  ASSERT_TRUE(run_until([this] { return fronts->swapped == 3; }));
  app->reload(spec, "test");
  ASSERT_TRUE(run_until([this] { return fronts->swapped == 4; }));
  EXPECT_FALSE(app->serving()->lone());
}

TEST_F(AppTest, PreloadFalseStartsEachAfresh) {
  spec.preload = "false";
  ASSERT_TRUE(start_serving()) << log.all();
  EXPECT_TRUE(app->serving()->lone());
}

TEST_F(AppTest, NewFrontGetsTheSameWorkers) {
  ASSERT_TRUE(start_serving(2));
  fronts->kill(1);
  kill(fronts->workers.begin()->second, SIGKILL);  // a death the new front must hear of as well
  ASSERT_TRUE(run_until([this] { return fronts->sent_of("worker_started") == 5; })) << log.all();
  ASSERT_TRUE(run_until([this] { return app->serving()->ready_workers() == 2; }));
  fronts->sent.clear();
  fronts->revive(1);
  EXPECT_EQ(fronts->sent.front()["type"], "generation");
  EXPECT_EQ(fronts->sent_of("worker_started"), 3u);
  EXPECT_EQ(fronts->sent.back()["type"], "swap");
  run_for(milliseconds(100));
  app->reload(spec, "test");
  ASSERT_TRUE(run_until([this] { return fronts->sent_of("drop_generation") == 2; })) << log.all();
}

TEST_F(AppTest, FrontDeathDuringDrainHoldsNothingUp) {
  ASSERT_TRUE(start_serving(2));
  fronts->answer_drained = false;
  app->reload(spec, "test");
  ASSERT_TRUE(run_until([this] { return fronts->swapped == 2; }));
  fronts->say(0, {{"type", "generation_drained"}, {"app", "shop"}, {"generation", 1}});
  run_for(milliseconds(50));
  EXPECT_EQ(fronts->sent_of("drop_generation"), 0u);
  fronts->kill(1);
  EXPECT_TRUE(run_until([this] { return fronts->sent_of("drop_generation") == 1; })) << log.all();
}

TEST_F(AppTest, EndWaitsForNoFrontThatIsGone) {
  ASSERT_TRUE(start_serving(2));
  fronts->kill(0);
  fronts->kill(1);
  const base::Instant before = base::monotonic_now();
  app->end(seconds(30));
  ASSERT_TRUE(run_until([this] { return app->over(); })) << log.all();
  EXPECT_LT(base::monotonic_now() - before, seconds(3));
}

TEST_F(AppTest, ScalesUpAndDown) {
  ASSERT_TRUE(start_serving());
  app->scale(1);
  ASSERT_TRUE(run_until([this] { return app->serving()->ready_workers() == 3; }));
  app->scale(-1);
  app->scale(-1);
  app->scale(-1);  // never below one
  ASSERT_TRUE(run_until([this] { return app->serving()->ready_workers() == 1; }));
  EXPECT_EQ(app->serving()->workers(), 1u);
  app->reload(spec, "test");
  ASSERT_TRUE(run_until([this] { return fronts->swapped == 2; }));
  EXPECT_EQ(app->serving()->workers(), 1u);
}

TEST_F(AppTest, ScalesWithinTheRoomOfAGeneration) {
  ASSERT_TRUE(start_serving());
  const unsigned most = app->serving()->most_workers();
  for (unsigned workers = 2; workers < most + 3; ++workers) app->scale(1);
  ASSERT_TRUE(run_until([&] { return app->serving()->ready_workers() == most; })) << log.all();
  EXPECT_TRUE(log.has(std::to_string(most) + " workers, the most there is room for until a reload"));
  EXPECT_FALSE(log.has(std::to_string(most + 1) + " workers"));
  app->reload(spec, "room");
  ASSERT_TRUE(run_until([this] { return fronts->swapped == 2; })) << log.all();
  EXPECT_EQ(app->serving()->workers(), most);
  app->scale(1);
  ASSERT_TRUE(run_until([&] { return app->serving()->ready_workers() == most + 1; })) << log.all();
}

// Counted from the workers that serve, whatever a reload that failed had wanted; and below none that there is a floor.
TEST_F(AppTest, ScalesWhatServes) {
  spec.workers = 4;
  ASSERT_TRUE(start_serving());
  for (int i = 0; i < 3; ++i) app->scale(-1);
  EXPECT_EQ(app->serving()->workers(), 1u);
  spec.workers = 2;  // and three fewer: one
  app->reload(spec, "fewer");
  ASSERT_TRUE(run_until([this] { return fronts->swapped == 2; })) << log.all();
  EXPECT_EQ(app->serving()->workers(), 1u);
  app->scale(1);
  EXPECT_EQ(app->serving()->workers(), 2u);
  spec.workers = 20;
  app->reload(spec, "more");
  ASSERT_TRUE(app->starting());
  app->scale(1);
  EXPECT_EQ(app->serving()->workers(), 3u);
  ASSERT_TRUE(run_until([this] { return fronts->swapped == 3; })) << log.all();
  EXPECT_EQ(app->serving()->workers(), 21u);  // also what was asked for meanwhile
}

TEST_F(AppTest, ChangedCodeStartsANewGeneration) {
  spec.watch = "code";
  ASSERT_TRUE(start_serving());
  std::ofstream(spec.root + "/views.py") << "pass";
  ASSERT_TRUE(run_until([this] { return fronts->swapped == 2; })) << log.all();
  EXPECT_TRUE(log.has("views.py changed")) << log.all();
}

TEST_F(AppTest, AFileSavedAfterTheFirstImportHadReadItIsOneReload) {
  spec.watch = "code";
  behave("stale");
  ASSERT_TRUE(start_serving());
  ASSERT_TRUE(run_until([this] { return fronts->swapped == 2; })) << log.all();
  EXPECT_TRUE(log.has("shop: views.py changed")) << log.all();
  run_for(seconds(2));
  EXPECT_EQ(fronts->swapped, 2u) << log.all();
}

TEST_F(AppTest, AFileThatEachStartChangesIsReloadedForOnlyWhenNothingStarts) {
  for (const char* behaviour : {"stamp", "stamp unsafe"}) {
    spec.watch = "code";
    behave(behaviour);
    ASSERT_TRUE(start_serving());
    app->reload(spec, "test");
    ASSERT_TRUE(run_until([this] { return log.has("CW0531 shop: stamp.py changed in each"); }, seconds(60)))
        << log.all();
    run_for(seconds(3));
    const uint64_t settled = fronts->swapped;
    EXPECT_LE(settled, 6u) << log.all();  // of the first generation only what later workers write is seen
    std::ofstream(spec.root + "/views.py") << "pass";
    ASSERT_TRUE(run_until([&] { return fronts->swapped == settled + 1; })) << log.all();
    run_for(seconds(2));
    std::ofstream(spec.root + "/stamp.py") << "pass";
    ASSERT_TRUE(run_until([&] { return fronts->swapped == settled + 2; })) << log.all();
    run_for(seconds(3));
    EXPECT_EQ(fronts->swapped, settled + 2) << log.all();
    const std::string text = log.all();
    EXPECT_EQ(text.find("CW0531"), text.rfind("CW0531")) << text;
    app->end({});
    ASSERT_TRUE(run_until([this] { return app->over(); })) << log.all();
    app.reset();
    served = false;
    log.lines.clear();
  }
}

TEST_F(AppTest, CodeIsWatchedBeforeThereIsAWorker) {
  spec.watch = "code";
  behave("never_ready");
  start();
  ASSERT_TRUE(run_until([this] { return app->serving() || fronts->sent_of("worker_started") == 2; })) << log.all();
  std::ofstream(spec.root + "/views.py") << "pass";
  ASSERT_TRUE(run_until([this] { return log.has("views.py changed; generation 1 is still starting"); })) << log.all();
}

TEST_F(AppTest, AReloadThatBeganAfterAFileWasSavedHasTakenIt) {
  spec.watch = "code";
  ASSERT_TRUE(start_serving());
  std::ofstream(spec.root + "/views.py") << "pass";
  run_for(milliseconds(100));
  app->reload(spec, "asked to reload");
  run_for(seconds(3));
  EXPECT_EQ(fronts->swapped, 2u) << log.all();
  EXPECT_FALSE(log.has("views.py changed")) << log.all();
}

// As systemd stops a service: the fronts still finish what runs.
TEST_F(AppTest, WhatTheSignalToStopHasEndedIsNotStartedAgain) {
  for (const char* behaviour : {"well", "unsafe"}) {
    behave(behaviour);
    ASSERT_TRUE(start_serving());
    log.lines.clear();
    world->stops = true;
    for (auto [lane, pid] : fronts->workers) kill(pid, SIGTERM);
    if (app->serving()->interpreter_pid() != 0) kill(app->serving()->interpreter_pid(), SIGTERM);
    run_for(seconds(1));
    EXPECT_TRUE(log.lines.empty()) << log.all();
    EXPECT_EQ(fronts->sent_of("generation"), 1u);
    EXPECT_EQ(fronts->sent_of("worker_started"), 2u);
    EXPECT_EQ(fronts->sent_of("workers_paused"), 1u);
    app->end({});
    ASSERT_TRUE(run_until([this] { return app->over(); })) << log.all();
    app.reset();
    served = false;
  }
}

TEST_F(AppTest, ManyKillsNeverSlowTheReturn) {
  ASSERT_TRUE(start_serving());
  for (int i = 0; i < 15; ++i) {
    ASSERT_TRUE(run_until([this] { return app->serving()->ready_workers() == 2; }, seconds(2))) << i << log.all();
    run_for(milliseconds(120));
    for (auto [lane, pid] : fronts->workers) {
      if (alive(pid)) {
        kill(pid, SIGKILL);
        break;
      }
    }
  }
}

TEST_F(AppTest, EndIsCleanWhileStarting) {
  behave("hang_at_import");
  start();
  run_for(milliseconds(100));
}

}  // namespace
}  // namespace cutwater::supervise
