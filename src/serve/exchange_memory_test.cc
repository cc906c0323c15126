#include "serve/exchange_memory.h"

#include <gtest/gtest.h>

namespace cutwater::serve {
namespace {

TEST(ExchangePool, KeepsNoneOfTheLongStrings) {
  ExchangePool pool;
  const ExchangeMemory* first = nullptr;
  {
    auto memory = pool.take();
    first = memory.get();
    memory->head.assign(1000, 'h');
    memory->output.assign(1'000'000, 'o');
  }
  auto memory = pool.take();
  ASSERT_EQ(memory.get(), first);
  EXPECT_EQ(memory->head + memory->output, "");
  EXPECT_GE(memory->head.capacity(), 1000u);
  EXPECT_LT(memory->output.capacity(), 1000u);
}

}  // namespace
}  // namespace cutwater::serve
