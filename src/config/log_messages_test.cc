// What is said of a wrong [log].
#include "config/config_file_test_support.h"

namespace cutwater::config {
namespace {

TEST_F(ConfigFile, AWordThatIsNoneForThisLogIsNoFile) {
  EXPECT_EQ(messages("[log]\nerror = \"off\"\n"),
            "[CW0103] cutwater.toml:2:9: log.error: takes \"stderr\" or a path, not \"off\"\n"
            "  2 | error = \"off\"\n"
            "    |         ^\n"
            "  fix: write \"stderr\"; for a file of that name ./off\n");
  EXPECT_TRUE(messages("[log]\naccess = \"stderr\"\n").starts_with("[CW0103]"));
  EXPECT_EQ(messages("[log]\nerror = \"./off\"\naccess = \"off\"\n"), "");
  EXPECT_EQ(messages("[log]\nerror = \"/dev/stderr\"\naccess = \"/dev/stdout\"\n"), "");
  EXPECT_NE(messages("[log]\naccess = \"/dev/stderr\"\n").find("write \"stdout\""), std::string::npos);
}

}  // namespace
}  // namespace cutwater::config
