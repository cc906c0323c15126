#include "supervise/cpu_count.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

namespace cutwater::supervise {
namespace {

class CgroupTest : public testing::Test {
 protected:
  CgroupTest() {
    char folder[] = "/tmp/cutwater-cgroup-test-XXXXXX";
    root_ = mkdtemp(folder);
  }
  ~CgroupTest() override { std::filesystem::remove_all(root_); }
  void write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(root_ + path).parent_path());
    std::ofstream(root_ + path) << text;
  }
  std::string root_;
};

TEST_F(CgroupTest, ReadsTheSecondVersion) {
  write("/app.slice/shop/cpu.max", "150000 100000\n");
  EXPECT_EQ(cgroup_cpus(root_, "0::/app.slice/shop\n"), 2u);
  EXPECT_EQ(cgroup_cpus(root_, "0::/app.slice\n"), 0u);
}

TEST_F(CgroupTest, LimitOfAParentHolds) {
  write("/app.slice/cpu.max", "100000 100000\n");
  write("/app.slice/shop/cpu.max", "max 100000\n");
  EXPECT_EQ(cgroup_cpus(root_, "0::/app.slice/shop\n"), 1u);
}

TEST_F(CgroupTest, InAContainerTheRootIsTheGroup) {
  write("/cpu.max", "300000 100000\n");
  EXPECT_EQ(cgroup_cpus(root_, "0::/docker/0123\n"), 3u);
  EXPECT_EQ(cgroup_cpus(root_, "0::/\n"), 3u);
}

TEST_F(CgroupTest, ReadsTheFirstVersion) {
  write("/cpu/shop/cpu.cfs_quota_us", "50000\n");
  write("/cpu/shop/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(cgroup_cpus(root_, "5:memory:/shop\n4:cpu,cpuacct:/shop\n"), 1u);
  write("/cpu/shop/cpu.cfs_quota_us", "-1\n");
  EXPECT_EQ(cgroup_cpus(root_, "4:cpu,cpuacct:/shop\n"), 0u);
}

TEST_F(CgroupTest, NonsenseIsNoLimit) {
  write("/cpu.max", "lots\n");
  EXPECT_EQ(cgroup_cpus(root_, "0::/x\n"), 0u);
  EXPECT_EQ(cgroup_cpus(root_, "nothing\n"), 0u);
  EXPECT_EQ(cgroup_cpus(root_, ""), 0u);
}

TEST(UsableCpus, IsAtLeastOne) {
  EXPECT_GE(usable_cpus(), 1u);
}

}  // namespace
}  // namespace cutwater::supervise
