#include "supervise/pool_start.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "supervise/script_test_support.h"

namespace cutwater::supervise {
namespace {

using testing::HasSubstr;

class PoolStart : public testing::Test {
 protected:
  PoolStart() {
    entry_.name = "php";
    entry_.root = "/";
    if (running_as_root()) entry_.user = "nobody";
  }
  // What it wrote to its error stream, or why it was not started.
  std::string output_of(const std::string& shell) {
    entry_.command = {"sh", "-c", shell};
    return start();
  }
  std::string start(std::optional<uid_t> forbidden = {}) {
    PoolStarter starter({entry_}, forbidden);
    const base::FileDescriptor null(open("/dev/null", O_RDWR | O_CLOEXEC));
    Pipe errors;
    const PoolStarted started = starter.start(0, null.get(), errors.writing.get());
    errors.writing.reset();
    if (started.pid == 0) return started.text;
    const std::string output = errors.read_all();
    waitpid(started.pid, nullptr, 0);
    return output;
  }

  PoolEntry entry_;
};

TEST_F(PoolStart, HasItsOwnEnvironmentAndNothingOfOurs) {
  setenv("SECRET_OF_OURS", "x", 1);
  entry_.environment = {{"A", "b c"}, {"HOME", "/elsewhere"}};
  const std::string seen = output_of("env >&2");
  EXPECT_THAT(seen, HasSubstr("A=b c\n"));
  EXPECT_THAT(seen, HasSubstr("HOME=/elsewhere\n"));
  EXPECT_THAT(seen, HasSubstr("CUTWATER_POOL=php\n"));
  EXPECT_THAT(seen, HasSubstr("PATH=/usr/local/bin:/usr/bin:/bin\n"));
  EXPECT_THAT(seen, testing::Not(HasSubstr("SECRET_OF_OURS")));
}

TEST_F(PoolStart, HasDescriptors0To2AndItsFolder) {
  entry_.root = "/usr";
  EXPECT_EQ(output_of("pwd >&2; ls /proc/self/fd | tr '\\n' ' ' >&2"), "/usr\n0 1 2 3 ") << "3 is what ls reads";
}

TEST_F(PoolStart, MayHaveOnlySoManyProcessesBesideThoseOfPools) {
  entry_.in_all = 1000;
  const std::string line = output_of("grep 'Max processes' /proc/self/limits >&2");
  const size_t limit = std::stoul(line.substr(line.find_first_of("0123456789")));
  EXPECT_GE(limit, TaskLimit::more() + 1000);
  const uid_t user = running_as_root() ? find_identity("nobody")->user : geteuid();
  EXPECT_LE(limit, TaskLimit::more() + 1000 + count_tasks(user) + 500);
}

// They are the kernel's, whose count is of more than is seen here: what was counted a moment ago is less.
TEST_F(PoolStart, StartsAlsoWhenItsUserHasMoreProcessesThanWereCounted) {
  if (!running_as_root()) GTEST_SKIP() << "for root";
  entry_.user = "games";
  entry_.command = {"sh", "-c", "echo runs >&2"};
  const uid_t user = find_identity("games")->user;
  PoolStarter starter({entry_}, {});
  const auto output = [&] {
    const base::FileDescriptor null(open("/dev/null", O_RDWR | O_CLOEXEC));
    Pipe errors;
    const PoolStarted started = starter.start(0, null.get(), errors.writing.get());
    errors.writing.reset();
    if (started.pid == 0) return started.text;
    waitpid(started.pid, nullptr, 0);
    return errors.read_all();
  };
  EXPECT_EQ(output(), "runs\n");
  std::vector<pid_t> others;
  for (rlim_t count = 0; count < TaskLimit::more() + 20; ++count) {
    others.push_back(fork());
    ASSERT_NE(others.back(), -1);
    if (others.back() != 0) continue;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (setuid(user) == 0) pause();
    _exit(1);
  }
  while (count_tasks(user) < others.size()) sched_yield();
  EXPECT_EQ(output(), "runs\n");
  for (pid_t pid : others) {
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
  }
}

TEST_F(PoolStart, RoomGrowsForAUserWithTasksThatAreNotSeen) {
  TaskLimit limit;
  const uid_t user = 4'000'000'001;
  EXPECT_EQ(limit.of(user), TaskLimit::more());
  limit.note_shortage(user, false);
  EXPECT_EQ(limit.of(user), TaskLimit::more());
  limit.note_shortage(user, true);
  EXPECT_EQ(limit.of(user), 2 * TaskLimit::more());
  limit.note_shortage(user, true);
  EXPECT_EQ(limit.of(user), 3 * TaskLimit::more());
}

TEST_F(PoolStart, SaysWhyNot) {
  entry_.command = {"no-such-program"};
  EXPECT_EQ(start(),
            "there is no no-such-program in /usr/local/bin:/usr/bin:/bin\nfix: install it, or correct command");
  entry_.environment["PATH"] = "/nowhere";
  entry_.command = {"sh"};
  EXPECT_THAT(start(), HasSubstr("there is no sh in /nowhere"));
  entry_.command = {"/etc/passwd"};
  EXPECT_THAT(start(), HasSubstr("/etc/passwd is not executable"));
  entry_.command = {"/nowhere/program"};
  EXPECT_THAT(start(), HasSubstr("/nowhere/program: No such file"));
  entry_.command = {"/bin/sh"};
  entry_.root = "/nowhere";
  EXPECT_THAT(start(), HasSubstr("its root /nowhere: No such file"));
  entry_.root = "/";
  entry_.user = "no-such-user";
  EXPECT_THAT(start(), HasSubstr(running_as_root() ? "no-such-user" : "only root can"));
}

TEST_F(PoolStart, NeverRunsAsRootNorAsTheFront) {
  if (!running_as_root()) GTEST_SKIP() << "for root";
  entry_.command = {"/bin/sh"};
  entry_.user = "root";
  EXPECT_THAT(start(), HasSubstr("its user is root, and no process of a pool runs as root\nfix: "));
  entry_.user.clear();
  EXPECT_THAT(start(), HasSubstr("the owner of its root, /, is root"));
  entry_.user = "nobody";
  EXPECT_THAT(start(find_identity("nobody")->user), HasSubstr("is nobody, as whom the front runs"));
  EXPECT_EQ(output_of("id -u >&2"), std::to_string(find_identity("nobody")->user) + "\n");
}

}  // namespace
}  // namespace cutwater::supervise
