// The committed documents are what the tables say, and every code that is printed is in the table.
#include "config/settings_document.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "config/error_codes.h"
#include "config/later.h"
#include "config/settings.h"

namespace cutwater::config {
namespace {

std::string contents(const std::filesystem::path& path) {
  std::stringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

TEST(Documents, SettingsAreUpToDate) {
  EXPECT_EQ(contents(CUTWATER_SOURCE_DIRECTORY "/docs/settings.md"), settings_markdown())
      << "run: build/cutwater help settings > docs/settings.md";
}

TEST(Documents, ErrorsAreUpToDate) {
  EXPECT_EQ(contents(CUTWATER_SOURCE_DIRECTORY "/docs/errors.md"), errors_markdown())
      << "run: build/cutwater help errors > docs/errors.md";
}

TEST(Documents, SectionsByTheirNames) {
  EXPECT_TRUE(section_markdown("upstream").starts_with("## `[upstream.NAME]`\n"));
  EXPECT_NE(section_markdown("upstream").find("## `[upstream.NAME]`: `check = {...}`\n"), std::string::npos);
  EXPECT_EQ(section_markdown("[[listen]]"), section_markdown("listen"));
  for (const char* word : {"fastcgi", "scgi", "uwsgi", "gateway", "auth", "filter", "site", "route", "site.route"}) {
    EXPECT_NE(section_markdown(word).find("| `split` |"), std::string::npos) << word;
  }
  for (const char* word : {"proxy", "static", "app", "limits", "log", "shutdown"}) {
    EXPECT_NE(section_markdown(word).find("| key |"), std::string::npos) << word;
  }
  EXPECT_EQ(section_markdown("timeout"), "");
  EXPECT_EQ(section_markdown(""), "");
}

TEST(Documents, EverySettingIsThere) {
  std::string text = settings_markdown();
  for (const Setting& setting : settings()) {
    EXPECT_NE(text.find("| `" + std::string(setting.key) + "` |"), std::string::npos) << setting.key;
  }
}

TEST(ErrorCodes, AreSortedAndComplete) {
  std::string_view last;
  for (const ErrorCode& code : error_codes()) {
    EXPECT_LT(last, code.code);
    last = code.code;
    EXPECT_FALSE(code.title.empty() || code.title.ends_with('.')) << code.code;
    EXPECT_TRUE(code.meaning.ends_with('.')) << code.code;
    EXPECT_FALSE(code.fix.empty()) << code.code;
  }
}

TEST(ErrorCodes, EveryUsedCodeIsInTheTable) {
  std::map<std::string, std::string> used;  // code -> file
  for (const char* folder : {"/src", "/python"}) {
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(CUTWATER_SOURCE_DIRECTORY + std::string(folder))) {
      std::string extension = entry.path().extension();
      bool is_test = entry.path().filename().string().find("test") != std::string::npos;
      if (is_test || (extension != ".cc" && extension != ".h" && extension != ".py")) continue;
      std::string text = contents(entry.path());
      for (size_t at = text.find("CW0"); at != std::string::npos; at = text.find("CW0", at + 1)) {
        std::string code = text.substr(at, 6);
        if (code.size() == 6 && code.find_first_not_of("0123456789", 2) == std::string::npos) {
          used.emplace(code, entry.path().string());
        }
      }
    }
  }
  EXPECT_GT(used.size(), 30u);
  for (const auto& [code, file] : used) EXPECT_NE(find_error_code(code), nullptr) << code << " in " << file;
}

TEST(ErrorCodes, GiveAFixToWhatHasNone) {
  EXPECT_EQ(missing_fix("CW0104", "x.toml:1:1: not valid TOML"), "fix: Correct that line; nothing behind it was read.");
  EXPECT_EQ(missing_fix("CW0104", "x\n  fix: y"), "");
  EXPECT_EQ(missing_fix("", "cutwater stopped"), "");
}

TEST(Later, NothingIsBothKnownAndLater) {
  const std::map<Section, std::string> names = {{Section::kTop, ""},
                                                {Section::kListen, "listen"},
                                                {Section::kApp, "app"},
                                                {Section::kLimits, "limits"},
                                                {Section::kLog, "log"},
                                                {Section::kShutdown, "shutdown"},
                                                {Section::kStatic, "static"},
                                                {Section::kProxy, "proxy"},
                                                {Section::kUpstream, "upstream"},
                                                {Section::kGateway, "gateway"},
                                                {Section::kCheck, "check"},
                                                {Section::kAuth, "auth"},
                                                {Section::kCgi, "cgi"},
                                                {Section::kPool, "pool"}};
  for (const Setting& setting : settings()) {
    EXPECT_FALSE(is_later_key(names.at(setting.section), setting.key)) << setting.key;
    EXPECT_FALSE(is_later_flag(setting.flag)) << setting.flag;
  }
  EXPECT_TRUE(is_later_command("status"));
  EXPECT_FALSE(is_later_command("serve"));
}

}  // namespace
}  // namespace cutwater::config
