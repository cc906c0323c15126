#include "supervise/lanes.h"

#include <gtest/gtest.h>

#include "supervise/app_test_support.h"

namespace cutwater::supervise {
namespace {

// Fronts that only remember.
class SilentFronts : public Fronts {
 public:
  explicit SilentFronts(unsigned count) : running_(count, true) {}
  unsigned count() const override { return static_cast<unsigned>(running_.size()); }
  bool running(unsigned front) const override { return running_[front]; }
  void send(unsigned front, const nlohmann::json& body, std::vector<int> descriptors) override {
    told.emplace_back(front, body["lane"].get<unsigned>());
    last = std::move(descriptors);
  }
  std::vector<bool> running_;
  std::vector<std::pair<unsigned, unsigned>> told;
  std::vector<int> last;
};

class LanesTest : public testing::Test {
 protected:
  unsigned take() {
    base::Error error;
    auto offer = lanes.take(error);
    lanes.check_invariants();
    return offer ? offer->lane : 99;
  }
  void announce(unsigned lane) { EXPECT_TRUE(lanes.announce(lane, 7, 0)); }

  SilentFronts fronts{2};
  Lanes lanes{fronts, "shop", 1, 3};
};

TEST_F(LanesTest, LastFreedIsFirstTaken) {
  EXPECT_EQ(take(), 0u);
  EXPECT_EQ(take(), 1u);
  EXPECT_EQ(take(), 2u);
  EXPECT_EQ(take(), 99u);
  lanes.worker_gone(0);
  lanes.worker_gone(2);
  EXPECT_EQ(take(), 2u);
  EXPECT_EQ(take(), 0u);
}

TEST_F(LanesTest, IsFreeWhenWorkerAndAllToldFrontsAreDone) {
  announce(take());
  EXPECT_EQ(fronts.told.size(), 2u);
  EXPECT_TRUE(lanes.front_freed(0, 0));
  EXPECT_FALSE(lanes.front_freed(0, 0));  // once only
  lanes.worker_gone(0);
  EXPECT_FALSE(lanes.all_free());
  EXPECT_TRUE(lanes.front_freed(1, 0));
  EXPECT_TRUE(lanes.all_free());
  lanes.check_invariants();
}

TEST_F(LanesTest, FrontThatStartsAnewGetsTheSameDescriptors) {
  announce(take());
  const std::vector<int> before = fronts.last;  // of front 1
  fronts.told.clear();
  lanes.introduce(1);
  EXPECT_EQ(fronts.told, (std::vector<std::pair<unsigned, unsigned>>{{1, 0}}));
  EXPECT_EQ(fronts.last, before);
}

TEST_F(LanesTest, DeadWorkersAreShownOnlyToFrontsThatStillOweThem) {
  announce(take());
  lanes.front_freed(0, 0);
  lanes.worker_gone(0);
  fronts.told.clear();
  lanes.introduce(0);
  EXPECT_TRUE(fronts.told.empty());
  lanes.introduce(1);
  EXPECT_EQ(fronts.told.size(), 1u);
}

TEST_F(LanesTest, ForgottenFrontHoldsNothing) {
  announce(take());
  lanes.worker_gone(0);
  lanes.front_freed(0, 0);
  lanes.forget_front(1);
  EXPECT_TRUE(lanes.all_free());
}

TEST_F(LanesTest, RefusesNonsense) {
  take();
  EXPECT_FALSE(lanes.front_freed(0, 0));  // never told
  EXPECT_FALSE(lanes.front_freed(7, 0));
  EXPECT_FALSE(lanes.front_freed(0, 7));
}

}  // namespace
}  // namespace cutwater::supervise
