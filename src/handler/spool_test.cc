#include "handler/spool.h"

#include <fcntl.h>

#include <filesystem>

#include "handler/handler_test_support.h"

namespace cutwater::handler {
namespace {

class SpoolTest : public testing::TestWithParam<bool> {
 protected:
  SpoolStatus append(SpoolFile& file, std::string bytes) {
    std::optional<SpoolStatus> status;
    tasks_.start([](SpoolFile& target, std::string content, std::optional<SpoolStatus>& result) -> base::Task<void> {
      auto writing = target.append(std::move(content));
      result = co_await writing;
    }(file, std::move(bytes), status));
    runner_.until([&] { return status.has_value(); });
    return status.value_or(SpoolStatus::kFailed);
  }

  io::Loop loop_;
  io::Offload offload_{loop_, 1};
  SpoolArea area_{offload_, GetParam() ? find_spool_directory() : "", {500, 1000}};
  SpoolBudget budget_{500};
  LoopRunner runner_{loop_};
  base::TaskSet tasks_;
};

TEST_P(SpoolTest, ReadsBackReadOnly) {
  SpoolFile file(area_, budget_);
  EXPECT_EQ(append(file, "hello "), SpoolStatus::kWritten);
  EXPECT_EQ(append(file, "world"), SpoolStatus::kWritten);
  EXPECT_EQ(file.size(), 11u);
  auto reader = file.reopen_read_only();
  ASSERT_TRUE(reader) << reader.error().message;
  char content[20];
  EXPECT_EQ(read(reader->get(), content, sizeof content), 11);
  EXPECT_EQ(std::string_view(content, 11), "hello world");
  EXPECT_EQ(write(reader->get(), "x", 1), -1);
  EXPECT_EQ(ftruncate(reader->get(), 0), -1);
}

TEST(SpoolShares, GrowWithTheBodiesThatAreAllowed) {
  constexpr uint64_t kGigabyte = uint64_t{1} << 30;
  EXPECT_EQ(spool_shares(100).per_app, 2 * kGigabyte);
  EXPECT_EQ(spool_shares(100).total, 4 * kGigabyte);
  EXPECT_GE(spool_shares(20 * kGigabyte).per_app, 20 * kGigabyte);
  EXPECT_GE(spool_shares(20 * kGigabyte).total, 40 * kGigabyte);
}

TEST_P(SpoolTest, BudgetsAreKept) {
  {
    SpoolFile file(area_, budget_);
    EXPECT_EQ(append(file, std::string(400, 'x')), SpoolStatus::kWritten);
    EXPECT_EQ(append(file, std::string(101, 'x')), SpoolStatus::kOverBudget);
    EXPECT_EQ(file.why(), "the uploads running now fill what they may take");
    SpoolBudget other(1000);
    SpoolFile second(area_, other);
    EXPECT_EQ(append(second, std::string(601, 'x')), SpoolStatus::kOverBudget);
    EXPECT_EQ(other.used(), 0u);
    EXPECT_EQ(area_.total.used(), 400u);
  }
  EXPECT_EQ(area_.total.used(), 0u);
  EXPECT_EQ(budget_.used(), 0u);
}

INSTANTIATE_TEST_SUITE_P(DiskAndMemory, SpoolTest, testing::Bool());

class SpoolFolder : public testing::Test {
 protected:
  void SetUp() override {
    parent_ = testing::TempDir() + "spool-" + std::to_string(getpid());
    std::filesystem::create_directory(parent_);
    setenv("TMPDIR", parent_.c_str(), 1);
  }
  void TearDown() override {
    unsetenv("TMPDIR");
    std::filesystem::remove_all(parent_);
  }
  std::string parent_;
};

TEST_F(SpoolFolder, BelongsToThisUserAlone) {
  const std::string folder = find_spool_directory();
  EXPECT_EQ(folder, parent_ + "/cutwater-" + std::to_string(geteuid()));
  EXPECT_EQ(std::filesystem::status(folder).permissions(), std::filesystem::perms::owner_all);
  EXPECT_EQ(find_spool_directory(), folder);  // the next front's too
  EXPECT_EQ(why_not_in_tmpdir(), "");
  unsetenv("TMPDIR");
  EXPECT_EQ(why_not_in_tmpdir(), "");
}

TEST_F(SpoolFolder, WhatOthersMayEnterOrHavePutThereIsNotUsed) {
  const std::string folder = parent_ + "/cutwater-" + std::to_string(geteuid());
  std::filesystem::create_directory(parent_ + "/elsewhere");
  std::filesystem::permissions(parent_ + "/elsewhere", std::filesystem::perms::owner_all);
  std::filesystem::create_directory_symlink("elsewhere", folder);
  EXPECT_FALSE(find_spool_directory().starts_with(parent_));
  EXPECT_EQ(why_not_in_tmpdir(), folder + ": is a link");
  std::filesystem::remove(folder);
  std::filesystem::create_directory(folder);
  std::filesystem::permissions(folder, std::filesystem::perms::all);
  EXPECT_FALSE(find_spool_directory().starts_with(parent_));
  EXPECT_EQ(why_not_in_tmpdir(), folder + ": others may enter it");
}

TEST_F(SpoolFolder, SaysWhyItIsElsewhere) {
  const std::string name = "/cutwater-" + std::to_string(geteuid());
  setenv("TMPDIR", "/proc/none", 1);
  EXPECT_EQ(why_not_in_tmpdir(), "/proc/none" + name + ": No such file or directory");
  setenv("TMPDIR", "/dev/null", 1);
  EXPECT_EQ(why_not_in_tmpdir(), "/dev/null" + name + ": Not a directory");
  setenv("TMPDIR", "below", 1);
  EXPECT_EQ(why_not_in_tmpdir(), "below: no absolute path");
  if (geteuid() != 0) return;
  setenv("TMPDIR", parent_.c_str(), 1);
  std::filesystem::create_directory(parent_ + name);
  ASSERT_EQ(chown((parent_ + name).c_str(), 65534, 65534), 0);
  EXPECT_EQ(why_not_in_tmpdir(), parent_ + name + ": belongs to another user");
}

TEST(Spool, UnwritableFolderFails) {
  io::Loop loop;
  io::Offload offload(loop, 1);
  SpoolArea area{offload, "/proc/none"};
  SpoolBudget budget(100);
  LoopRunner runner(loop);
  base::TaskSet tasks;
  SpoolFile file(area, budget);
  std::optional<SpoolStatus> status;
  tasks.start([](SpoolFile& target, std::optional<SpoolStatus>& result) -> base::Task<void> {
    auto writing = target.append("x");
    result = co_await writing;
  }(file, status));
  runner.until([&] { return status.has_value(); });
  EXPECT_EQ(status, SpoolStatus::kFailed);
  EXPECT_EQ(file.why(), "in /proc/none: No such file or directory");
}

}  // namespace
}  // namespace cutwater::handler
