// Workers as processes that die at one chosen step of claim, write, commit, wake or sleep, again and again,
// beside a healthy one. Nothing may be lost but what the dead one was running.
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "link/crash_point.h"
#include "link/stress_support.h"

namespace cutwater::link {
namespace {

CrashPoint chosen_point;
int hits_left = 0;

void die_at_chosen_point(CrashPoint point) {
  if (point == chosen_point && --hits_left == 0) kill(getpid(), SIGKILL);
}

struct Child {
  pid_t process = -1;
  base::FileDescriptor pidfd;
};

class CrashTest : public testing::TestWithParam<int> {
 protected:
  static CrashPoint point() { return static_cast<CrashPoint>(GetParam()); }
  static Layout layout() {
    Layout layout = World::small_layout();
    layout.slots = 16;
    layout.lanes = 3;
    return layout;
  }

  // A worker process on `lane`. `hits`: it dies when it reaches the point for that time; 0: never.
  void start(uint32_t lane, int hits) {
    int pair[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    base::FileDescriptor ours(pair[1]);
    base::FileDescriptor theirs(pair[0]);
    pid_t process = fork();
    ASSERT_GE(process, 0);
    if (process == 0) be_worker(lane, hits, std::move(theirs));
    children_[lane] = {process, base::FileDescriptor(static_cast<int>(syscall(SYS_pidfd_open, process, 0)))};
    front_.link().attach_lane(lane, base::FileDescriptor(dup(world_.lane_wake(lane))), std::move(ours));
    front_.also_watched.clear();
    for (const Child& child : children_) front_.also_watched.push_back(child.pidfd.get());
  }

  [[noreturn]] void be_worker(uint32_t lane, int hits, base::FileDescriptor socket) {
    chosen_point = point();
    hits_left = hits;
    crash_point_hook = die_at_chosen_point;
    auto segment = Segment::map(world_.memory());
    if (!segment.ok()) _exit(10);
    WorkerLink::Descriptors descriptors;
    descriptors.wake = base::FileDescriptor(dup(world_.lane_wake(lane)));
    descriptors.front_wakes.emplace_back(dup(world_.front_wake(0)));
    descriptors.front_alarms.emplace_back(dup(world_.front_alarm(0)));
    descriptors.lane_sockets.push_back(std::move(socket));
    WorkerLink link(std::move(*segment), lane, std::move(descriptors));
    StressWorker worker(link);
    _exit(worker.run() ? 0 : 11);
  }

  bool ended(uint32_t lane) const {
    pollfd entry{children_[lane].pidfd.get(), POLLIN, 0};
    return poll(&entry, 1, 0) > 0;
  }
  int reap(uint32_t lane) {
    int status = 0;
    EXPECT_EQ(waitpid(children_[lane].process, &status, 0), children_[lane].process);
    return status;
  }
  // What the front's handler does at a pidfd event. One worker runs one request.
  void bury(uint32_t lane) {
    int status = reap(lane);
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
    std::vector<Ticket> lost = front_.link().lane_died(lane);
    EXPECT_LE(lost.size(), 1u);
    front_.lose(lost);
    ++deaths_;
  }
  void check_nothing_leaked() {
    EXPECT_EQ(front_.link().in_use(), 0u);
    message::Request request = hello_request();
    std::string body(front_.link().maximum_body(), 'b');
    auto largest = front_.link().submit(request, {}, body);
    ASSERT_TRUE(largest);  // every chunk is there
    EXPECT_TRUE(front_.link().take_back(*largest));
    for (uint32_t slot = 0; slot < layout().slots; ++slot) EXPECT_TRUE(front_.link().submit(request, {}, ""));
  }
  void finish() {
    // What belonged to clients that left is still under way.
    while (front_.link().in_use() > 0) {
      front_.link().drain();
      front_.link().wake_workers();
      front_.on_turn();
      usleep(100);
    }
    front_.on_turn = nullptr;
    for (uint32_t lane = 0; lane < 3; ++lane) front_.link().retire_lane(lane);
    for (uint32_t lane = 0; lane < 3; ++lane) {
      // A crashing one may still reach its point on the way out.
      int status = reap(lane);
      EXPECT_TRUE(status == 0 || (lane < 2 && WIFSIGNALED(status))) << lane << ": " << status;
      front_.lose(front_.link().lane_died(lane));
    }
    while (front_.link().drain()) {
    }
  }

  World world_{layout()};
  StressFront front_{world_, 0, 42};
  Child children_[3];
  int deaths_ = 0;
  std::mt19937 random_{static_cast<unsigned>(point())};
};

TEST_P(CrashTest, OnlyTheRunningRequestIsLost) {
  constexpr int kRequests = 300;
  auto few_hits = [&] { return static_cast<int>(random_() % 8) + 1; };
  // Few requests at a time make both sides sleep often.
  if (point() >= CrashPoint::kBeforeWake) front_.most_open = 2;
  start(0, few_hits());
  start(1, few_hits());
  start(2, 0);
  front_.on_turn = [&] {
    for (uint32_t lane = 0; lane < 2; ++lane) {
      if (!ended(lane)) continue;
      bury(lane);
      start(lane, few_hits());
    }
  };
  // Some points are reached by chance only.
  int total = 0;
  for (int round = 0; round < 100 && deaths_ < 6; ++round, total += kRequests)
    ASSERT_TRUE(front_.run(kRequests)) << "a wake-up was lost";
  finish();

  EXPECT_GE(deaths_, 6);
  EXPECT_EQ(front_.answered + front_.aborted + front_.taken_back + front_.left + front_.lost, total);
  EXPECT_GT(front_.answered, total / 4);
  EXPECT_EQ(front_.wrong, 0);
  EXPECT_EQ(front_.broken, 0);
  int lost = front_.lost + front_.lost_after_leaving;
  EXPECT_LE(lost, deaths_ + 2);
  switch (point()) {
    case CrashPoint::kBeforeClaim:
    case CrashPoint::kAfterIdle:
      EXPECT_EQ(lost, 0);
      break;
    case CrashPoint::kAfterClaim:
    case CrashPoint::kAfterStamp:
    case CrashPoint::kAfterHead:
      EXPECT_GE(lost, deaths_);
      break;
    default:
      break;
  }
  check_nothing_leaked();
}

INSTANTIATE_TEST_SUITE_P(EveryPoint, CrashTest, testing::Range(0, static_cast<int>(CrashPoint::kCount)),
                         [](const auto& point) { return std::to_string(point.param); });

}  // namespace
}  // namespace cutwater::link
