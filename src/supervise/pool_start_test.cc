#include "supervise/pool_start.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>

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
