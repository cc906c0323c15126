#include "base/result.h"

#include <gtest/gtest.h>

#include <memory>

namespace cutwater::base {
namespace {

TEST(Result, HoldsAValue) {
  Result<std::unique_ptr<int>> result = std::make_unique<int>(5);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(**result.operator->(), 5);
  std::unique_ptr<int> taken = *std::move(result);
  EXPECT_EQ(*taken, 5);
}

TEST(Result, HoldsAnError) {
  Result<int> result = Error{"no such thing", 7};
  EXPECT_FALSE(result);
  EXPECT_EQ(result.error().message, "no such thing");
  EXPECT_EQ(result.error().system_errno, 7);
}

TEST(Result, OfVoid) {
  Result<void> good;
  EXPECT_TRUE(good.ok());
  Result<void> bad = Error{"broken"};
  EXPECT_FALSE(bad);
  EXPECT_EQ(bad.error().message, "broken");
}

TEST(Result, SystemErrorsNameTheReason) {
  Error error = system_error("cannot open /x", ENOENT);
  EXPECT_EQ(error.message, "cannot open /x: No such file or directory");
  EXPECT_EQ(error.system_errno, ENOENT);
}

}  // namespace
}  // namespace cutwater::base
