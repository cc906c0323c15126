#include "app/front_identity.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

namespace cutwater::app {
namespace {

config::Config with_app_user(const std::string& user) {
  config::Config config;
  config.apps.emplace_back();
  config.apps.back().root = "/";
  config.apps.back().user = user;
  return config;
}

TEST(FrontIdentity, FallsBackToNobodyButNeverToAnAppsUser) {
  if (supervise::find_identity("cutwater")) GTEST_SKIP() << "this machine has a user cutwater";
  auto chosen = choose_front_identity(with_app_user("daemon"));
  ASSERT_TRUE(chosen);
  EXPECT_EQ(chosen->name, "nobody");
  auto refused = choose_front_identity(with_app_user("nobody"));
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("user nobody is an app's"), std::string::npos);
}

TEST(FrontIdentity, ConfiguredUserIsTakenOrRefused) {
  config::Config config = with_app_user("daemon");
  config.front_user = "bin";
  auto chosen = choose_front_identity(config);
  ASSERT_TRUE(chosen);
  EXPECT_EQ(chosen->name, "bin");
  EXPECT_LE(chosen->groups.size(), 2u);  // its own, and www-data where it exists
  for (const char* wrong : {"root", "daemon", "no-such-user"}) {
    config.front_user = wrong;
    EXPECT_FALSE(choose_front_identity(config)) << wrong;
  }
}

TEST(FrontIdentity, NeverThatOfAPool) {
  config::Config config;
  config.front_user = "bin";
  config.pools.emplace_back();
  config.pools.back().root = "/";
  config.pools.back().user = "daemon";
  EXPECT_TRUE(choose_front_identity(config));
  config.pools.back().user = "bin";
  auto refused = choose_front_identity(config);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("user bin is an app's, a script's or a pool's"), std::string::npos);
  if (geteuid() != 0) GTEST_SKIP() << "not root";
  char folder[] = "/tmp/cutwater-pool-XXXXXX";
  ASSERT_NE(mkdtemp(folder), nullptr);
  ASSERT_EQ(chown(folder, supervise::find_identity("bin")->user, 0), 0);
  config.pools.back().root = folder;
  config.pools.back().user.clear();
  EXPECT_FALSE(choose_front_identity(config)) << "the owner of its root";
  rmdir(folder);
}

TEST(FrontIdentity, AReloadGivesNobodyTheUserOfTheFrontsThatRun) {
  if (geteuid() != 0) GTEST_SKIP() << "not root";
  auto found = supervise::find_identity("bin");
  ASSERT_TRUE(found);
  const std::optional<supervise::Identity> front = *found;
  config::Config config = with_app_user("daemon");
  EXPECT_TRUE(check_front_identity(front, config));
  config.apps.back().user = "bin";
  EXPECT_TRUE(choose_front_identity(config)) << "a start would choose another user";
  auto refused = check_front_identity(front, config);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("until the next restart it runs as bin"), std::string::npos);
  config.apps.back().user = config.front_user = "daemon";
  EXPECT_FALSE(check_front_identity(front, config)) << "a start would refuse it, too";
}

TEST(FrontIdentity, DroppingIsForGood) {
  if (geteuid() != 0) GTEST_SKIP() << "not root";
  const pid_t child = fork();
  if (child == 0) {
    config::Config config = with_app_user("daemon");
    config.front_user = "bin";
    auto identity = choose_front_identity(config);
    if (!identity || !drop_to_front_identity(*identity)) _exit(1);
    if (geteuid() == 0 || getuid() == 0 || setuid(0) == 0) _exit(2);
    _exit(0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace cutwater::app
