#include "base/frame_pool.h"

#include <gtest/gtest.h>

#include <cstring>
#include <set>
#include <vector>

namespace cutwater::base {
namespace {

TEST(FramePool, GivesTheSameMemoryAgain) {
  void* first = FramePool::allocate(700);
  FramePool::release(first, 700);
  void* second = FramePool::allocate(690);  // of the same class
  if (FramePool::kReuses) {
    EXPECT_EQ(first, second);
  }
  FramePool::release(second, 690);
}

TEST(FramePool, EveryByteOfAFrameIsUsable) {
  for (size_t size : {size_t{1}, size_t{63}, size_t{64}, size_t{65}, size_t{2048}, size_t{2049}, size_t{100000}}) {
    for (int round = 0; round < 2; ++round) {
      void* frame = FramePool::allocate(size);
      std::memset(frame, 0xab, size);
      FramePool::release(frame, size);
    }
  }
}

TEST(FramePool, KeepsNoMoreThanItsBoundAndNeverGivesOneFrameTwice) {
  std::vector<void*> frames;
  for (int index = 0; index < 1000; ++index) frames.push_back(FramePool::allocate(200));
  EXPECT_EQ(std::set<void*>(frames.begin(), frames.end()).size(), frames.size());
  for (void* frame : frames) FramePool::release(frame, 200);
  for (void*& frame : frames) frame = FramePool::allocate(200);
  EXPECT_EQ(std::set<void*>(frames.begin(), frames.end()).size(), frames.size());
  for (void* frame : frames) FramePool::release(frame, 200);
}

}  // namespace
}  // namespace cutwater::base
