#include "handler/spool_ring.h"

#include <optional>

#include "handler/handler_test_support.h"

namespace cutwater::handler {
namespace {

constexpr uint64_t kMost = 16 * SpoolRing::kBlock;

struct SpoolRingTest : testing::TestWithParam<bool> {
  SpoolStatus append(std::string bytes) {
    std::optional<SpoolStatus> status;
    tasks.start([](SpoolRing& to, std::string content, std::optional<SpoolStatus>& result) -> base::Task<void> {
      auto writing = to.append(std::move(content));
      result = co_await writing;
    }(*ring, std::move(bytes), status));
    runner.until([&] { return status.has_value(); });
    return status.value_or(SpoolStatus::kFailed);
  }
  std::string take(uint64_t most) {
    std::optional<std::string> taken;
    tasks.start([](SpoolRing& from, uint64_t length, std::optional<std::string>& result) -> base::Task<void> {
      auto taking = from.take(length);
      result = co_await taking;
    }(*ring, most, taken));
    runner.until([&] { return taken.has_value(); });
    return taken.value_or("");
  }

  io::Loop loop;
  io::Offload offload{loop, 1};
  SpoolArea area{offload, GetParam() ? find_spool_directory() : ""};
  SpoolBudget budget{kMost};
  LoopRunner runner{loop};
  base::TaskSet tasks;
  std::unique_ptr<SpoolRing> ring = std::make_unique<SpoolRing>(area, budget, kMost);
};

TEST_P(SpoolRingTest, TakesMoreThanItHoldsInTheEnd) {
  std::string given, taken;
  uint64_t most_kept = 0;
  for (unsigned round = 0; taken.size() < 10 * kMost; ++round) {
    for (size_t size = 1 + round * 7919 % 9000; size <= ring->room(); size += 1000) {
      const std::string piece(size, static_cast<char>('a' + round % 26));
      ASSERT_EQ(append(piece), SpoolStatus::kWritten);
      given += piece;
    }
    most_kept = std::max(most_kept, ring->kept());
    const std::string piece = take(1 + round * 104729 % 20000);
    ASSERT_FALSE(piece.empty());
    taken += piece;
    ASSERT_EQ(ring->kept(), given.size() - taken.size());
    ASSERT_LE(budget.used(), kMost);
    ASSERT_EQ(area.total.used(), budget.used());
  }
  EXPECT_GT(most_kept, kMost / 2);
  EXPECT_TRUE(given.starts_with(taken));
  ring.reset();
  EXPECT_EQ(budget.used(), 0u);
  EXPECT_EQ(area.total.used(), 0u);
}

TEST_P(SpoolRingTest, WithoutBudgetNothingIsLost) {
  ASSERT_TRUE(budget.take(kMost - 10));
  ASSERT_EQ(append("0123456789"), SpoolStatus::kWritten);
  EXPECT_EQ(append("x"), SpoolStatus::kOverBudget);
  EXPECT_EQ(ring->kept(), 10u);
  budget.give_back(100);
  EXPECT_EQ(append("x"), SpoolStatus::kWritten);
  EXPECT_EQ(take(100), "0123456789x");
}

INSTANTIATE_TEST_SUITE_P(DiskAndMemory, SpoolRingTest, testing::Bool());

struct SpoolRingInMemory : SpoolRingTest {};

// Holes can be made in it.
TEST_P(SpoolRingInMemory, WhatWasTakenCountsNoMore) {
  ASSERT_EQ(append(std::string(kMost, 'x')), SpoolStatus::kWritten);
  EXPECT_EQ(ring->room(), 0u);
  EXPECT_EQ(take(3 * SpoolRing::kBlock + 1).size(), 3 * SpoolRing::kBlock + 1);
  EXPECT_EQ(budget.used(), kMost - 3 * SpoolRing::kBlock);
  EXPECT_EQ(ring->room(), 3 * SpoolRing::kBlock);
  EXPECT_EQ(take(SpoolRing::kBlock).size(), SpoolRing::kBlock);
  EXPECT_EQ(budget.used(), kMost - 4 * SpoolRing::kBlock);
}

INSTANTIATE_TEST_SUITE_P(Memory, SpoolRingInMemory, testing::Values(false));

struct SpoolRingNowhere : SpoolRingTest {};

TEST_P(SpoolRingNowhere, AFailureCountsForNothing) {
  area.directory = "/proc/none";
  EXPECT_EQ(append("x"), SpoolStatus::kFailed);
  EXPECT_EQ(budget.used(), 0u);
  EXPECT_EQ(ring->kept(), 0u);
  area.directory = "";
  EXPECT_EQ(append("y"), SpoolStatus::kWritten);
  EXPECT_EQ(take(2), "y");
}

INSTANTIATE_TEST_SUITE_P(Memory, SpoolRingNowhere, testing::Values(false));

}  // namespace
}  // namespace cutwater::handler
