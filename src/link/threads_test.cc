// Fronts and workers as threads of one process and one mapping: claims, waiting for room, wake-ups and
// take-backs under load. Run under the thread sanitizer too.
#include <thread>

#include "link/stress_support.h"

namespace cutwater::link {
namespace {

struct Shape {
  uint32_t fronts;
  uint32_t lanes;
  uint32_t slots;
};

class ThreadsTest : public testing::TestWithParam<Shape> {};

TEST_P(ThreadsTest, EveryRequestIsAnsweredOnceAndNoWakeUpIsLost) {
  constexpr int kRequests = 1500;
  Layout layout = World::small_layout();
  layout.fronts = GetParam().fronts;
  layout.lanes = GetParam().lanes;
  layout.slots = GetParam().slots;
  World world(layout);
  std::vector<std::unique_ptr<StressFront>> fronts;
  std::vector<FrontLink*> links;
  for (uint32_t index = 0; index < layout.fronts; ++index) {
    fronts.push_back(std::make_unique<StressFront>(world, index, index + 1));
    links.push_back(&fronts.back()->link());
  }
  std::vector<std::unique_ptr<WorkerLink>> workers;
  for (uint32_t lane = 0; lane < layout.lanes; ++lane) workers.push_back(world.worker(lane, links));

  std::vector<std::thread> worker_threads, front_threads;
  std::vector<char> worker_fine(layout.lanes), front_fine(layout.fronts);
  std::vector<int> served(layout.lanes);
  for (uint32_t lane = 0; lane < layout.lanes; ++lane)
    worker_threads.emplace_back([&, lane] {
      StressWorker worker(*workers[lane]);
      worker_fine[lane] = worker.run();
      served[lane] = worker.served;
    });
  for (uint32_t index = 0; index < layout.fronts; ++index)
    front_threads.emplace_back([&, index] { front_fine[index] = fronts[index]->run(kRequests); });
  for (std::thread& thread : front_threads) thread.join();
  // Cancelled requests may still be on their way up: read them all before retiring anybody.
  for (uint32_t index = 0; index < layout.fronts; ++index)
    while (links[index]->in_use() > 0) {
      links[index]->drain();
      links[index]->wake_workers();
      std::this_thread::yield();
    }
  for (uint32_t lane = 0; lane < layout.lanes; ++lane) links[0]->retire_lane(lane);
  links[0]->wake_workers();
  for (std::thread& thread : worker_threads) thread.join();

  int total = 0;
  for (uint32_t index = 0; index < layout.fronts; ++index) {
    const StressFront& front = *fronts[index];
    EXPECT_TRUE(front_fine[index]) << "front " << index << " missed a wake-up";
    EXPECT_EQ(front.answered + front.aborted + front.taken_back + front.left, kRequests);
    EXPECT_EQ(front.wrong, 0);
    EXPECT_EQ(front.broken, 0);
    EXPECT_GT(front.answered, kRequests / 3);
    total += kRequests - front.taken_back;
  }
  for (uint32_t lane = 0; lane < layout.lanes; ++lane) EXPECT_TRUE(worker_fine[lane]) << "lane " << lane;
  int all = 0;
  for (int count : served) all += count;
  EXPECT_EQ(all, total);
}

INSTANTIATE_TEST_SUITE_P(Shapes, ThreadsTest,
                         testing::Values(Shape{1, 1, 8}, Shape{1, 1, 64}, Shape{1, 2, 1}, Shape{1, 4, 16},
                                         Shape{1, 8, 64}, Shape{2, 1, 16}, Shape{2, 3, 8}, Shape{2, 8, 64}));

}  // namespace
}  // namespace cutwater::link
