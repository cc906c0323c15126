#include "app/command_line_arguments.h"

#include <gtest/gtest.h>

#include "app/command_line_help.h"
#include "config/settings.h"

namespace cutwater::app {
namespace {

using Words = std::vector<std::string>;

Arguments parsed(const Words& words) {
  ParsedArguments result = parse_arguments("serve", words);
  const auto* error = std::get_if<UsageError>(&result);
  EXPECT_EQ(error, nullptr) << (error == nullptr ? "" : error->text);
  return error == nullptr ? std::get<Arguments>(result) : Arguments();
}

// "CW0120 text"
std::string refused(const Words& words) {
  ParsedArguments result = parse_arguments("serve", words);
  const auto* error = std::get_if<UsageError>(&result);
  return error == nullptr ? "accepted" : error->code + " " + error->text;
}

TEST(Arguments, Nothing) {
  Arguments arguments = parsed({});
  EXPECT_EQ(arguments.target, "");
  EXPECT_TRUE(arguments.overrides.bind.empty());
  EXPECT_FALSE(arguments.overrides.workers);
  EXPECT_TRUE(arguments.overrides.settings.empty());
}

TEST(Arguments, TargetAnywhere) {
  EXPECT_EQ(parsed({"shop:app", "-w", "2"}).target, "shop:app");
  EXPECT_EQ(parsed({"-b", ":80", "shop:app"}).target, "shop:app");
  EXPECT_EQ(parsed({"-b", ":80", "-b", ":81", "--timeout", "5s", "."}).target, ".");
}

TEST(Arguments, Values) {
  Arguments arguments = parsed({"-b", ":80", "--bind=unix:/x", "-w4", "-c", "x.toml", "--timeout=5s", "--log-format",
                                "json", "--preload", "false", "--prefix", "/a=b"});
  EXPECT_EQ(arguments.overrides.bind, (Words{":80", "unix:/x"}));
  EXPECT_EQ(arguments.overrides.workers, "4");
  EXPECT_EQ(arguments.overrides.config_file, "x.toml");
  EXPECT_EQ(arguments.overrides.settings,
            (std::map<std::string, std::string>{
                {"app.timeout", "5s"}, {"log.format", "json"}, {"app.preload", "false"}, {"app.prefix", "/a=b"}}));
}

TEST(Arguments, QuietAndVerbose) {
  EXPECT_EQ(parsed({"-q"}).overrides.settings["log.level"], "warning");
  EXPECT_EQ(parsed({"-v"}).overrides.settings["log.level"], "debug");
  EXPECT_EQ(parsed({"-v", "--log-level", "error"}).overrides.settings["log.level"], "error");
}

TEST(Arguments, EveryFlagOfTheTableWorks) {
  for (const config::Setting& setting : config::settings()) {
    if (setting.flag.empty() || setting.flag == "bind" || setting.flag == "workers" || setting.flag == "app") continue;
    EXPECT_EQ(parsed({"--" + std::string(setting.flag), "x"}).overrides.settings[full_name(setting)], "x");
    EXPECT_NE(help_topic("flags", false).find("--" + std::string(setting.flag)), std::string::npos);
  }
}

TEST(Arguments, BehindTwoDashesIsNoFlag) {
  EXPECT_EQ(parsed({"-w", "2", "--", "-odd"}).target, "-odd");
  EXPECT_EQ(parsed({"shop:app", "--"}).target, "shop:app");
  EXPECT_EQ(refused({"a:b", "--", "c:d"}),
            "CW0120 serve takes one TARGET; \"c:d\" is too much\n"
            "  fix: leave it away; several apps are written into a cutwater.toml");
}

TEST(Arguments, Refused) {
  EXPECT_EQ(refused({"--timeot", "5s"}),
            "CW0120 unknown flag --timeot; did you mean --timeout?\n  fix: cutwater help flags lists them");
  EXPECT_EQ(refused({"--domain", "example.com"}),
            "CW0106 the flag --domain is known, not in this version\n  fix: leave it away; -b :80, and a web server "
            "that does "
            "TLS in front meanwhile");
  EXPECT_EQ(
      refused({"--domain=example.org"}),
      "CW0106 the flag --domain is known, not in this version\n  fix: leave it away; -b :80, and a web server that "
      "does TLS in front meanwhile");
  EXPECT_EQ(refused({"--timeout"}),
            "CW0120 serve: --timeout needs a value\n  fix: cutwater help --timeout shows what it takes");
  EXPECT_NE(refused({"-q=x"}).find("fix: "), std::string::npos);
  EXPECT_TRUE(refused({"-z"}).starts_with("CW0120 unknown flag -z"));
}

TEST(Arguments, OncePerFlag) {
  EXPECT_EQ(refused({"-w", "2", "--workers", "3"}),
            "CW0120 serve: --workers is there more than once\n  fix: leave all but one away");
}

TEST(Help, Topics) {
  EXPECT_TRUE(help_topic("CW0101", false).starts_with("CW0101: unknown key\n"));
  EXPECT_EQ(help_topic("cw0101", false), help_topic("0101", false));
  EXPECT_EQ(help_topic("cw0101", false), help_topic("101", false));
  EXPECT_NE(help_topic("timeout", false).find("default 60s"), std::string::npos);
  EXPECT_NE(help_topic("--limit-body", false).find("CUTWATER_LIMIT_BODY"), std::string::npos);
  EXPECT_EQ(help_topic("nonsense", false), "");
  EXPECT_EQ(help_topic("CW9999", false), "");
  EXPECT_EQ(short_help(false).find('\x1b'), std::string::npos);
  EXPECT_NE(short_help(true).find('\x1b'), std::string::npos);
}

TEST(Help, ThatOfServeIsShortAndSaysWhereTheRestIs) {
  const std::string text = command_help("serve", false);
  EXPECT_LT(std::count(text.begin(), text.end(), '\n'), 40);
  EXPECT_NE(text.find("cutwater help flags"), std::string::npos);
  for (const char* usual : {"--bind ", "--workers ", "--timeout ", "--user "}) {
    EXPECT_NE(text.find(usual), std::string::npos) << usual;
  }
}

TEST(Help, OnlyWhatThereIs) {
  std::string text =
      command_help("serve", false) + help_topic("flags", false) + short_help(false) + help_topic("settings", false);
  for (const char* later : {"--domain", "max_memory", "max_age", "cutwater status", "[cache", "[tls", " cgi ="}) {
    EXPECT_EQ(text.find(later), std::string::npos) << later;
  }
}

}  // namespace
}  // namespace cutwater::app
