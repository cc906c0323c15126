#include "app/command_line_arguments.h"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "config/closest.h"
#include "config/later.h"
#include "config/settings.h"

namespace cutwater::app {
namespace {

// Flags with a short form, a meaning of their own or several values; the table has the others.
bool is_written_by_hand(std::string_view flag) {
  return flag == "bind" || flag == "workers" || flag == "app";
}

std::string to_lower_first(std::string text) {
  if (!text.empty() && text[0] >= 'A' && text[0] <= 'Z') text[0] = static_cast<char>(text[0] + 32);
  return text;
}

UsageError too_much(const std::string& command, const std::string& word) {
  return {"CW0120", command + " takes one TARGET; \"" + word +
                        "\" is too much\n  fix: leave it away; several apps are " + "written into a cutwater.toml"};
}

// What CLI11 could not place: a second TARGET or a flag nobody knows.
UsageError unexpected(const std::string& command, const std::string& word, const CLI::App& parser) {
  if (!word.starts_with('-')) return too_much(command, word);
  std::string flag =
      word.substr(word.find_first_not_of('-') == std::string::npos ? word.size() : word.find_first_not_of('-'));
  flag = flag.substr(0, flag.find('='));
  if (word.starts_with("--") && config::is_later_flag(flag)) {
    return {"CW0106",
            "the flag --" + flag + " is known, not in this version\n  fix: " + config::later_fix("flag", flag)};
  }
  std::vector<std::string> known;
  for (const CLI::Option* option : parser.get_options()) {
    for (const std::string& name : option->get_lnames()) known.push_back(name);
  }
  std::string message = "unknown flag " + word.substr(0, word.find('='));
  std::string near = config::closest(flag, known);
  if (!near.empty()) message += "; did you mean --" + near + "?";
  return {"CW0120", message + "\n  fix: cutwater help flags lists them"};
}

// The library's words are about itself: "--workers: 1 required TEXT missing".
UsageError refused(const std::string& command, const CLI::ParseError& error) {
  std::string text = error.what();
  const size_t colon = text.find(':');
  if (text.starts_with('-') && colon != std::string::npos && text.ends_with("missing")) {
    const std::string flag = text.substr(0, colon);
    const bool is_setting = config::find_flag(std::string_view(flag).substr(flag.find_first_not_of('-'))) != nullptr;
    return {"CW0120", command + ": " + flag + " needs a value\n  fix: cutwater help " + (is_setting ? flag : "flags") +
                          " shows what it takes"};
  }
  if (text.starts_with('-') && colon != std::string::npos && text.find("At Most 1") != std::string::npos) {
    const std::string flag = text.substr(0, colon);
    return {"CW0120", command + ": " + flag + " is there more than once\n  fix: leave all but one away"};
  }
  return {"CW0120", command + ": " + to_lower_first(text) + "\n  fix: cutwater help flags shows what each takes"};
}

}  // namespace

ParsedArguments parse_arguments(const std::string& command, const std::vector<std::string>& words) {
  Arguments arguments;
  std::string workers;
  std::map<std::string, std::string> values;  // by flag
  CLI::App parser;
  parser.set_help_flag();
  parser.allow_extras();
  parser.add_option("TARGET", arguments.target);
  parser.add_flag("-h,--help", arguments.help);
  parser.add_flag("--json", arguments.json);
  parser.add_flag("-q,--quiet", arguments.quiet);
  parser.add_flag("-v,--verbose", arguments.verbose);
  parser.add_option("-c,--config", arguments.overrides.config_file);
  parser.add_option("-b,--bind", arguments.overrides.bind)->allow_extra_args(false);
  CLI::Option* workers_option = parser.add_option("-w,--workers", workers);
  std::vector<std::pair<const config::Setting*, CLI::Option*>> options;
  for (const config::Setting& setting : config::settings()) {
    if (setting.flag.empty() || is_written_by_hand(setting.flag)) continue;
    std::string flag(setting.flag);
    options.emplace_back(&setting, parser.add_option("--" + flag, values[flag]));
  }
  // What stands behind "--" is no flag, whatever it looks like.
  const auto flags_end = std::find(words.begin(), words.end(), "--");
  const bool is_split = flags_end != words.end();
  const std::vector<std::string> plain(is_split ? flags_end + 1 : flags_end, words.end());
  try {
    // It takes them in reverse.
    parser.parse(std::vector<std::string>(std::make_reverse_iterator(flags_end), words.rend()));
  } catch (const CLI::ParseError& error) {
    return refused(command, error);
  }
  if (arguments.help) return arguments;
  if (auto rest = parser.remaining(); !rest.empty()) return unexpected(command, rest.front(), parser);
  for (const std::string& word : plain) {
    if (!arguments.target.empty()) return too_much(command, word);
    arguments.target = word;
  }
  if (workers_option->count() > 0) arguments.overrides.workers = workers;
  for (auto [setting, option] : options) {
    if (option->count() > 0) arguments.overrides.settings[full_name(*setting)] = values[std::string(setting->flag)];
  }
  arguments.overrides.json = arguments.json;
  auto& level = arguments.overrides.settings;
  if (arguments.quiet) level.emplace("log.level", "warning");
  if (arguments.verbose) level.emplace("log.level", "debug");
  return arguments;
}

}  // namespace cutwater::app
