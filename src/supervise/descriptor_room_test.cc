#include "supervise/descriptor_room.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include "base/file_descriptor.h"

namespace cutwater::supervise {
namespace {

TEST(DescriptorRoom, IsWhatTheLimitLeaves) {
  EXPECT_EQ(lack_of_descriptors(8), "");
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const base::FileDescriptor next(dup(STDERR_FILENO));
  rlimit limit = before;
  limit.rlim_cur = static_cast<rlim_t>(next.get()) + 6;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
  const std::string enough = lack_of_descriptors(5);
  const std::string lack = lack_of_descriptors(8);
  const std::string again = lack_of_descriptors(5);
  setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_EQ(enough, "");
  EXPECT_EQ(again, "");
  EXPECT_EQ(lack, "8 more file descriptors are needed, and the limit of open files of " +
                      std::to_string(limit.rlim_cur) + " leaves 5\nfix: ulimit -n " +
                      std::to_string(limit.rlim_cur + 3) +
                      " or more (of a systemd service: LimitNOFILE), or fewer workers");
}

}  // namespace
}  // namespace cutwater::supervise
