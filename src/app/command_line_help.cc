#include "app/command_line_help.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <initializer_list>

#include "config/closest.h"
#include "config/error_codes.h"
#include "config/settings.h"
#include "config/settings_document.h"

namespace cutwater::app {
namespace {

std::string heading(std::string_view text, bool bold) {
  return bold ? fmt::format("\x1b[1m{}\x1b[0m\n", text) : fmt::format("{}\n", text);
}

// Words of `text` in lines of at most 100 columns, each after `indent` blanks; the first line is begun already.
std::string wrapped(std::string_view text, size_t indent) {
  std::string result;
  size_t column = indent;
  while (!text.empty()) {
    size_t end = std::min(text.find(' '), text.size());
    if (column > indent && column + 1 + end > 100) {
      result += "\n" + std::string(indent, ' ');
      column = indent;
    } else if (column > indent) {
      result += ' ';
      ++column;
    }
    result += text.substr(0, end);
    column += end;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return result;
}

std::string flag_line(std::string_view flag, std::string_view help) {
  return fmt::format("  {:<24} {}\n", flag, wrapped(help, 27));
}

const char* placeholder(const config::Setting& setting) {
  switch (setting.kind) {
    case config::Kind::kDuration:
      return "TIME";
    case config::Kind::kSize:
    case config::Kind::kRate:
      return "SIZE";
    case config::Kind::kInteger:
    case config::Kind::kAutoInteger:
      return "N";
    case config::Kind::kPath:
    case config::Kind::kPathOrWord:
      return "PATH";
    case config::Kind::kNetworkList:
      return "LIST";
    default:
      return "TEXT";
  }
}

std::string setting_flag(const config::Setting& setting) {
  if (setting.flag == "bind") return "-b, --bind ADDR";
  if (setting.flag == "workers") return "-w, --workers N";
  std::string value = setting.choices.empty() || setting.kind == config::Kind::kPathOrWord
                          ? placeholder(setting)
                          : std::string(setting.choices);
  return fmt::format("--{} {}", setting.flag, value);
}

std::string described(const config::Setting& setting, std::string_view help) {
  std::string text(help);
  if (!setting.default_text.empty()) text += fmt::format(" [{}]", setting.default_text);
  std::string flag = setting_flag(setting);
  if (flag.size() > 24) flag += "\n" + std::string(26, ' ');
  return flag_line(flag, text);
}

std::string setting_flags(config::Section section, std::string_view title, bool bold) {
  std::string text = "\n" + heading(title, bold);
  for (const config::Setting& setting : config::settings()) {
    if (setting.section != section || setting.flag.empty() || setting.flag == "app") continue;
    text += described(setting, setting.help);
  }
  return text;
}

// What most people set, if anything; `cutwater help flags` has the others.
constexpr std::string_view kMostUsed[] = {"bind",    "workers", "timeout", "queue", "limit-body", "watch",
                                          "preload", "python",  "prefix",  "user",  "access-log"};

std::string most_used_flags() {
  std::string text;
  for (std::string_view flag : kMostUsed) {
    const config::Setting* setting = config::find_flag(flag);
    if (setting == nullptr) continue;
    const size_t end = std::min(setting->help.find(';'), setting->help.find(". "));
    std::string_view first = setting->help.substr(0, end);
    if (first.ends_with('.')) first.remove_suffix(1);
    text += described(*setting, first);
  }
  return text;
}

std::string common_flags(bool serves) {
  std::string text;
  text += flag_line("-c, --config FILE", "read this file instead of the folder's cutwater.toml");
  text += flag_line("-q, --quiet", "only warnings and errors");
  text += flag_line("-v, --verbose", "also what is only for debugging");
  text += flag_line("--json", serves ? "messages as JSON, one object a line" : "the result as one JSON object");
  text += flag_line("-h, --help", "this text");
  return text;
}

std::string serve_help(bool bold) {
  std::string text = heading("cutwater serve [TARGET] [FLAGS]", bold);
  text += "Serves in the foreground until TERM or INT; HUP reloads without downtime.\n\n";
  text += heading("TARGET", bold);
  text += flag_line("nothing, or a folder", "what is in the folder: Django, Flask and others are found");
  text += flag_line("shop.wsgi:application", "an object of a module; also a call: shop:create_app()");
  text += flag_line("app.py, app.py:site", "a Python file, with or without the object's name");
  text += flag_line("cutwater.toml", "what the file says");
  text += "\n" + heading("Flags most people need", bold);
  text += most_used_flags();
  text += common_flags(true);
  text +=
      "\nExit code: 0 after TERM or INT; 130, 131, 143 when a second INT, QUIT or a second TERM cut off what ran;\n"
      "1 it cannot run; 2 command line or configuration; 3 an app does not boot; 4 no such app.\n";
  return text +
         "\nAll flags: cutwater help flags. One of them: cutwater help timeout. The file: cutwater help settings.\n";
}

std::string all_flags(bool bold) {
  std::string text = heading("Flags of cutwater serve and cutwater check", bold);
  text += common_flags(true);
  text += setting_flags(config::Section::kListen, "Listening", bold);
  text += setting_flags(config::Section::kApp, "The app (every app, when the file has several)", bold);
  text += setting_flags(config::Section::kLimits, "Limits of the clients", bold);
  text += setting_flags(config::Section::kLog, "Logs", bold);
  text += setting_flags(config::Section::kShutdown, "Ending", bold);
  text += setting_flags(config::Section::kTop, "Processes", bold);
  text +=
      "\nEvery flag is a variable too (--timeout is CUTWATER_TIMEOUT) and a key of cutwater.toml:\n"
      "flags beat variables, variables beat the file. cutwater help settings describes the file.\n";
  return text;
}

std::string check_help(bool bold) {
  std::string text = heading("cutwater check [TARGET] [FLAGS]", bold);
  text +=
      "Reads the configuration, imports every app in its own Python, tries ports and folders.\n"
      "No app is asked anything: what it does at its first request, or at ASGI's lifespan, is not tried.\n"
      "Exit code 0: it would serve; 1: too few descriptors; 2: configuration; 3: an app does not boot; 4: no such "
      "app.\n\n";
  text += heading("Flags", bold) + common_flags(false);
  return text + "\nTARGET and all other flags are those of cutwater serve.\n";
}

std::string code_help(const config::ErrorCode& code, bool bold) {
  std::string text = heading(fmt::format("{}: {}", code.code, code.title), bold);
  text += "\n" + wrapped(code.meaning, 0) + "\n";
  return text + "\nfix: " + wrapped(code.fix, 5) + "\n";
}

// A setting as files and messages name it -> as it is called here, whatever an app is called: "app.shop.timeout" is
// "app.timeout", "upstream.api.check.path" is "check.path", "site.route.scgi.to" is "fastcgi.to".
std::string without_names(const std::string& word) {
  config::TextList parts = config::split_list(word, '.');
  const auto starts_with = [&](std::string_view section) { return parts.size() > 2 && parts[0] == section; };
  if (starts_with("app") || starts_with("pool") || (starts_with("upstream") && parts.size() == 3)) {
    parts = {parts[0], parts[2]};
  } else if (parts.size() > 2) {
    parts.erase(parts.begin(), parts.end() - 2);
  }
  if (parts.size() == 2 && (parts[0] == "scgi" || parts[0] == "uwsgi")) parts[0] = "fastcgi";
  return fmt::format("{}", fmt::join(parts, "."));
}

// Variables that others have named, and that change the default of the setting whose help speaks of them.
bool is_convention_of(const config::Setting& setting, const std::string& word) {
  constexpr std::string_view kConventions[] = {"PORT", "WEB_CONCURRENCY", "FORWARDED_ALLOW_IPS", "SCRIPT_NAME",
                                               "FCGI_WEB_SERVER_ADDRS"};
  if (std::find(std::begin(kConventions), std::end(kConventions), word) == std::end(kConventions)) return false;
  for (const std::string_view ending : {" changes the default", " is set", " of the environment"}) {
    if (setting.help.find(word + std::string(ending)) != std::string_view::npos) return true;
  }
  return false;
}

bool is_called(const config::Setting& setting, const std::string& word) {
  if (is_convention_of(setting, word)) return true;
  if (word == setting.key || without_names(word) == full_name(setting)) return true;
  return !setting.flag.empty() && (word == "--" + std::string(setting.flag) || word == environment_name(setting));
}

std::string setting_help(const std::string& word, bool bold) {
  std::string text;
  for (const config::Setting& setting : config::settings()) {
    if (!is_called(setting, word)) continue;
    if (!text.empty()) text += "\n";
    text += heading(fmt::format("{} in {}", setting.key, config::section_title(setting.section)), bold);
    text += "  " + wrapped(setting.help, 2) + "\n";
    text += fmt::format("  takes {}", config::kind_text(setting));
    if (!setting.default_text.empty()) text += fmt::format("; default {}", setting.default_text);
    text += "\n";
    if (!setting.flag.empty()) {
      text += fmt::format("  {}{}\n", setting.flag == "app" ? "" : fmt::format("--{}, ", setting.flag),
                          environment_name(setting));
    }
  }
  return text;
}

}  // namespace

std::string short_help(bool bold) {
  std::string text = "cutwater " CUTWATER_VERSION " puts Python web applications on the internet\n\n";
  text += flag_line("cutwater serve [TARGET]", "serve in the foreground; finds out what to run");
  text += flag_line("cutwater check [TARGET]", "would it serve? reads the configuration, imports every app");
  text += flag_line("cutwater version", "the version");
  text += flag_line("cutwater help [TOPIC]",
                    "a command, a code such as CW0101, a setting or section, flags, settings, errors");
  text += "\n" + heading("In a hurry", bold);
  text +=
      "  cd myproject && cutwater serve        http://127.0.0.1:8000\n"
      "  cutwater serve shop.wsgi:application -b :8080 -w 4\n"
      "  cutwater serve --help                 the forms of TARGET, the usual flags\n";
  return text;
}

std::string command_help(const std::string& command, bool bold) {
  if (command == "serve") return serve_help(bold);
  if (command == "check") return check_help(bold);
  if (command == "version") return "cutwater version [--json]\nPrints the version.\n";
  if (command == "help") return short_help(bold);
  return "";
}

std::string help_topic(const std::string& word, bool bold) {
  if (std::string text = command_help(word, bold); !text.empty()) return text;
  if (word == "flags") return all_flags(bold);
  if (word == "settings") return config::settings_markdown();
  if (word == "errors") return config::errors_markdown();
  std::string code = word;
  for (char& c : code) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  if (!code.starts_with("CW")) code = "CW" + std::string(code.size() < 4 ? 4 - code.size() : 0, '0') + code;
  if (const config::ErrorCode* known = config::find_error_code(code)) return code_help(*known, bold);
  if (std::string text = config::section_markdown(word); !text.empty()) return text;
  if (std::string text = setting_help(word, bold); !text.empty() || !nearest_topic(word).empty()) return text;
  // "app.shop" or "[app.shop]" as its section is headed.
  for (const std::string section : {"app.", "upstream.", "pool."}) {
    const bool is_headed = word.starts_with(section) || word.starts_with("[" + section);
    if (is_headed) return config::section_markdown(section.substr(0, section.size() - 1));
  }
  return "";
}

std::string nearest_topic(const std::string& word) {
  std::vector<std::string> topics = {"serve", "check", "version", "flags", "settings", "errors"};
  for (const config::Setting& setting : config::settings()) {
    topics.emplace_back(setting.key);
    topics.push_back(full_name(setting));
    if (setting.flag.empty()) continue;
    topics.push_back("--" + std::string(setting.flag));
    topics.push_back(environment_name(setting));
  }
  const std::string plain = without_names(word);
  const std::string section = plain.substr(0, plain.find('.') + 1);
  config::TextList keys;  // of the section that `word` names
  for (const std::string& topic : topics) {
    if (!section.empty() && topic.starts_with(section)) keys.push_back(topic.substr(section.size()));
  }
  if (keys.empty()) return config::closest(word, topics);
  const std::string near = config::closest(plain.substr(section.size()), keys);
  return near.empty() ? near : word.substr(0, word.rfind('.') + 1) + near;
}

}  // namespace cutwater::app
