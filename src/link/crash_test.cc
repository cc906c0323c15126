// Workers as processes that die at one chosen step of claim, write, commit, wake or sleep, again and again,
// beside a healthy one, serving one front or two. Nothing may be lost but what the dead one was running.
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

class CrashTest : public testing::TestWithParam<std::tuple<int, uint32_t>> {
 protected:
  CrashTest() {
    for (uint32_t index = 0; index < layout().fronts; ++index) {
      owned_.push_back(std::make_unique<StressFront>(world_, index, 42 + index));
      fronts_.push_back(owned_.back().get());
    }
  }
  static CrashPoint point() { return static_cast<CrashPoint>(std::get<0>(GetParam())); }
  static Layout layout() {
    Layout layout = World::small_layout();
    layout.fronts = std::get<1>(GetParam());
    layout.slots = 16;
    layout.lanes = 3;
    return layout;
  }

  // A worker process on `lane`. `hits`: it dies when it reaches the point for that time; 0: never.
  void start(uint32_t lane, int hits) {
    std::vector<base::FileDescriptor> ours, theirs;
    for (size_t count = 0; count < fronts_.size(); ++count) {
      int pair[2];
      ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
      ours.emplace_back(pair[1]);
      theirs.emplace_back(pair[0]);
    }
    pid_t process = fork();
    ASSERT_GE(process, 0);
    if (process == 0) be_worker(lane, hits, std::move(theirs));
    children_[lane] = {process, base::FileDescriptor(static_cast<int>(syscall(SYS_pidfd_open, process, 0)))};
    for (size_t index = 0; index < fronts_.size(); ++index) {
      base::FileDescriptor wake(dup(world_.lane_wake(lane)));
      fronts_[index]->link().attach_lane(lane, std::move(wake), std::move(ours[index]));
    }
    fronts_[0]->also_watched.clear();
    for (const Child& child : children_) fronts_[0]->also_watched.push_back(child.pidfd.get());
  }

  [[noreturn]] void be_worker(uint32_t lane, int hits, std::vector<base::FileDescriptor> sockets) {
    chosen_point = point();
    hits_left = hits;
    crash_point_hook = die_at_chosen_point;
    auto segment = Segment::map(world_.memory());
    if (!segment.ok()) _exit(10);
    WorkerLink::Descriptors descriptors;
    descriptors.wake = base::FileDescriptor(dup(world_.lane_wake(lane)));
    for (uint32_t index = 0; index < layout().fronts; ++index) {
      descriptors.front_wakes.emplace_back(dup(world_.front_wake(index)));
      descriptors.front_alarms.emplace_back(dup(world_.front_alarm(index)));
    }
    descriptors.lane_sockets = std::move(sockets);
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
  // What each front's handler does at a pidfd event. One worker runs one request, of whatever front.
  void bury(uint32_t lane) {
    int status = reap(lane);
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
    size_t running = 0;
    for (StressFront* front : fronts_) {
      std::vector<Ticket> lost = front->link().lane_died(lane);
      running += lost.size();
      front->lose(lost);
    }
    EXPECT_LE(running, 1u);
    ++deaths_;
  }
  void check_nothing_leaked(FrontLink& link) {
    EXPECT_EQ(link.in_use(), 0u);
    message::Request request = hello_request();
    std::string body(link.maximum_body(), 'b');
    auto largest = link.submit(request, {}, body);
    ASSERT_TRUE(largest);  // every chunk is there
    EXPECT_TRUE(link.take_back(*largest));
    for (uint32_t slot = 0; slot < layout().slots; ++slot) EXPECT_TRUE(link.submit(request, {}, ""));
  }
  bool anything_in_use() const {
    return std::any_of(fronts_.begin(), fronts_.end(), [](auto* front) { return front->link().in_use() > 0; });
  }
  void finish() {
    // What belonged to clients that left is still under way.
    while (anything_in_use()) {
      for (StressFront* front : fronts_) {
        front->link().drain();
        front->link().wake_workers();
      }
      replace_the_dead();
      usleep(100);
    }
    for (uint32_t lane = 0; lane < 3; ++lane) fronts_[0]->link().retire_lane(lane);
    for (uint32_t lane = 0; lane < 3; ++lane) {
      // A crashing one may still reach its point on the way out.
      int status = reap(lane);
      EXPECT_TRUE(status == 0 || (lane < 2 && WIFSIGNALED(status))) << lane << ": " << status;
      for (StressFront* front : fronts_) front->lose(front->link().lane_died(lane));
    }
    for (StressFront* front : fronts_) {
      while (front->link().drain()) {
      }
    }
  }
  int few_hits() { return static_cast<int>(random_() % 8) + 1; }
  void replace_the_dead() {
    for (uint32_t lane = 0; lane < 2; ++lane) {
      if (!ended(lane)) continue;
      bury(lane);
      start(lane, few_hits());
    }
  }

  World world_{layout()};
  std::vector<std::unique_ptr<StressFront>> owned_;
  std::vector<StressFront*> fronts_;
  Child children_[3];
  int deaths_ = 0;
  std::mt19937 random_{static_cast<unsigned>(point())};
};

TEST_P(CrashTest, OnlyTheRunningRequestIsLost) {
  constexpr int kRequests = 300;
  // Few requests at a time make both sides sleep often.
  for (StressFront* front : fronts_)
    if (point() >= CrashPoint::kBeforeWake) front->most_open = 2;
  start(0, few_hits());
  start(1, few_hits());
  start(2, 0);
  fronts_[0]->on_turn = [&] { replace_the_dead(); };
  // Some points are reached by chance only.
  int total = 0;
  for (int round = 0; round < 100 && deaths_ < 6; ++round, total += kRequests)
    ASSERT_TRUE(StressFront::run_together(fronts_, kRequests)) << "a wake-up was lost";
  finish();

  EXPECT_GE(deaths_, 6);
  int lost = 0;
  for (const StressFront* front : fronts_) {
    EXPECT_EQ(front->answered + front->aborted + front->taken_back + front->left + front->lost, total);
    EXPECT_GT(front->answered, total / 4);
    EXPECT_EQ(front->wrong, 0);
    EXPECT_EQ(front->broken, 0);
    lost += front->lost + front->lost_after_leaving;
  }
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
  for (StressFront* front : fronts_) check_nothing_leaked(front->link());
}

INSTANTIATE_TEST_SUITE_P(EveryPoint, CrashTest,
                         testing::Combine(testing::Range(0, static_cast<int>(CrashPoint::kCount)),
                                          testing::Values(1u, 2u)),
                         [](const auto& test) {
                           return std::to_string(std::get<0>(test.param)) + "_fronts_" +
                                  std::to_string(std::get<1>(test.param));
                         });

}  // namespace
}  // namespace cutwater::link
