#include "supervise/descriptor_room.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file_descriptor.h"

namespace cutwater::supervise {
namespace {

// In a process of its own, since limits are the process's. There is room for five descriptors.
bool holds_in_child(bool may_raise, bool (*check)(rlim_t low, rlim_t high)) {
  const pid_t child = fork();
  if (child == 0) {
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = static_cast<rlim_t>(base::FileDescriptor(dup(STDERR_FILENO)).get()) + 5;
    if (!may_raise) limit.rlim_max = limit.rlim_cur;
    _exit(setrlimit(RLIMIT_NOFILE, &limit) == 0 && check(limit.rlim_cur, limit.rlim_max) ? 0 : 1);
  }
  int status = -1;
  return waitpid(child, &status, 0) == child && status == 0;
}

rlim_t soft_limit() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

TEST(DescriptorRoom, TheLimitIsRaisedWhereItIsTooLowAndRestored) {
  EXPECT_TRUE(holds_in_child(true, [](rlim_t low, rlim_t high) {
    const bool kept = lack_of_descriptors(5).empty() && soft_limit() == low;
    const bool raised = lack_of_descriptors(6).empty() && soft_limit() == high;
    restore_descriptor_limit();
    return kept && raised && soft_limit() == low;
  }));
}

TEST(DescriptorRoom, SaysWhatIsLacking) {
  EXPECT_TRUE(holds_in_child(false, [](rlim_t low, rlim_t) {
    const std::string lack = "8 more file descriptors are needed, and the limit of open files of " +
                             std::to_string(low) + " leaves 5\nfix: ulimit -n " + std::to_string(low + 3) +
                             " or more (of a systemd service: LimitNOFILE), or fewer workers";
    return lack_of_descriptors(5).empty() && lack_of_descriptors(8) == lack && lack_of_descriptors(5).empty();
  }));
}

}  // namespace
}  // namespace cutwater::supervise
