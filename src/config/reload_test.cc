// What another load makes of files that were changed, or are gone.
#include <gtest/gtest.h>

#include <filesystem>

#include "config/load.h"
#include "config/test_folder.h"

namespace cutwater::config {
namespace {

class Reload : public testing::Test {
 protected:
  Reload() : environment_(folder_.path()) {
    folder_.program("bin/python3").file("shop.py", "application = object()\n");
  }

  Loaded load_again(const std::string& file_in_force) { return load("shop:application", Overrides(), file_in_force); }

  static std::string first_text(const Loaded& loaded) {
    return loaded.diagnostics.empty() ? "" : to_text(loaded.diagnostics.front());
  }

  TestFolder folder_;
  TestEnvironment environment_;
};

TEST_F(Reload, TheFileInForceMustNotBeGone) {
  const std::string text = "[app.web]\nuser = \"games\"\n";
  folder_.file("cutwater.toml", text);
  const std::string file = load_again("").config.file;
  EXPECT_EQ(load_again(file).exit_code, 0);
  std::filesystem::rename(folder_.at("cutwater.toml"), folder_.at("cutwater.old"));
  folder_.file("pyproject.toml", "[tool.cutwater]\n");
  const Loaded gone = load_again(file);
  EXPECT_EQ(gone.exit_code, 2);
  ASSERT_EQ(gone.diagnostics.size(), 1u);
  EXPECT_TRUE(first_text(gone).starts_with("error[CW0105] cutwater.toml is gone")) << first_text(gone);
  EXPECT_EQ(load_again("").exit_code, 0) << "a start goes on without";
}

TEST_F(Reload, NorItsTableInThatOfTheProject) {
  folder_.file("pyproject.toml", "[tool.cutwater.app.web]\nqueue = 5\n");
  const std::string file = load_again("").config.file;
  EXPECT_EQ(load_again(file).config.apps[0].queue, 5u);
  folder_.file("pyproject.toml", "[tool.other]\n");
  EXPECT_TRUE(first_text(load_again(file)).starts_with("error[CW0109] pyproject.toml has no [tool.cutwater]"));
  std::filesystem::remove(folder_.at("pyproject.toml"));
  EXPECT_TRUE(first_text(load_again(file)).starts_with("error[CW0105] pyproject.toml is gone"));
  folder_.file("cutwater.toml", "[app.web]\nqueue = 6\n");
  EXPECT_EQ(load_again(file).config.apps[0].queue, 6u) << "it comes before the other";
}

TEST_F(Reload, ANewFileCounts) {
  EXPECT_EQ(load_again("").config.file, "");
  folder_.file("cutwater.toml", "[app.web]\nqueue = 6\n");
  EXPECT_EQ(load_again("").config.apps[0].queue, 6u);
}

}  // namespace
}  // namespace cutwater::config
