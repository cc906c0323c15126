#include "app/command_line.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <nlohmann/json.hpp>
#include <optional>

#include "app/command_line_arguments.h"
#include "app/command_line_help.h"
#include "app/console_log.h"
#include "app/master.h"
#include "base/file_descriptor.h"
#include "base/text.h"
#include "config/closest.h"
#include "config/error_codes.h"
#include "config/exit_codes.h"
#include "config/later.h"

namespace cutwater::app {
namespace {

bool is_coloured(int descriptor) {
  const char* no_color = ::getenv("NO_COLOR");  // no-color.org: any value but the empty one
  return ::isatty(descriptor) == 1 && (no_color == nullptr || *no_color == '\0');
}

// Whether the output is closed, or what was written to it is lost for that.
struct Output {
  bool is_closed = false;
  bool lost = false;
} output;

void print(FILE* to, const std::string& text) {
  if (to == stdout && output.is_closed) output.lost = true;
  std::fwrite(text.data(), 1, text.size(), to);
}

// A text for the terminal: what files, folders and variables are called must not steer it.
std::string without_controls(std::string_view text) {
  std::string clean;
  while (!text.empty()) {
    const bool kept = text.front() == '\n' || text.front() == '\t';
    const size_t control = kept ? 0 : base::control_length(text);
    clean += control > 0 ? '?' : text.front();
    text.remove_prefix(std::max<size_t>(control, 1));
  }
  return clean;
}

// As ConsoleLog does for `serve --json`.
void print_json(base::Severity severity, const std::string& code, const std::string& text) {
  print(stderr, ConsoleLog::format_json(severity, code, text));
}

void print_diagnostic(const config::Diagnostic& diagnostic) {
  std::string text = without_controls(to_text(diagnostic));
  if (is_coloured(STDERR_FILENO)) {
    size_t end = text.find(' ');
    text = (diagnostic.is_error ? "\x1b[1;31m" : "\x1b[1;33m") + text.substr(0, end) + "\x1b[0m" + text.substr(end);
  }
  print(stderr, text + "\n");
}

using Words = std::vector<std::string>;

bool wants_json(const Words& words) {
  return std::find(words.begin(), words.end(), "--json") != words.end();
}

// `words`: the whole command line.
int usage(const Words& words, const std::string& code, const std::string& text) {
  if (wants_json(words)) {
    print_json(base::Severity::kError, code, text);
  } else {
    print_diagnostic({code, text, true});
  }
  return config::kUsage;
}

int later_command(const Words& words, const std::string& command) {
  return usage(
      words, "CW0106",
      "the command " + command + " is known, not in this version\n  fix: " + config::later_fix("command", command));
}

// `check --json`: everything that is found becomes one object on stdout. What the apps print while they are imported
// goes to stderr meanwhile.
class JsonReport : public base::LogSink {
 public:
  JsonReport() : stdout_(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)) { ::dup2(STDERR_FILENO, STDOUT_FILENO); }

  void write(base::Severity severity, std::string_view code, std::string_view text) override {
    if (severity < base::Severity::kWarning) return;
    add_problem(std::string(code), std::string(text), severity == base::Severity::kError);
  }
  void say(const std::string& line) { report_.push_back(line); }

  // Writes the object and gives `exit_code` back.
  int finish(const config::Loaded& loaded, int exit_code) {
    for (const config::Diagnostic& diagnostic : loaded.diagnostics) {
      add_problem(diagnostic.code, diagnostic.text, diagnostic.is_error);
    }
    nlohmann::json object = {{"ok", exit_code == 0},
                             {"exit_code", exit_code},
                             {"problems", problems_},
                             {"choices", loaded.choices},
                             {"report", report_}};
    std::string text = object.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
    ::dup2(stdout_.get(), STDOUT_FILENO);
    print(stdout, text);
    return exit_code;
  }

 private:
  void add_problem(const std::string& code, std::string text, bool is_error) {
    const std::string fix = is_error ? config::missing_fix(code, text) : "";
    if (!fix.empty()) text += "\n" + fix;
    problems_.push_back({{"code", code}, {"severity", is_error ? "error" : "warning"}, {"text", text}});
  }

  base::FileDescriptor stdout_;
  nlohmann::json problems_ = nlohmann::json::array();
  nlohmann::json report_ = nlohmann::json::array();
};

int serve(const Arguments& arguments) {
  config::Loaded loaded = config::load(arguments.target, arguments.overrides);
  for (const config::Diagnostic& diagnostic : loaded.diagnostics) {
    const auto severity = diagnostic.is_error ? base::Severity::kError : base::Severity::kWarning;
    arguments.json ? print_json(severity, diagnostic.code, diagnostic.text) : print_diagnostic(diagnostic);
  }
  if (loaded.exit_code != 0) return loaded.exit_code;
  for (const std::string& choice : loaded.choices) {
    if (arguments.quiet) break;
    arguments.json ? print_json(base::Severity::kInfo, "", choice) : print(stderr, without_controls(choice) + "\n");
  }
  ServeRequest request{arguments.target, arguments.overrides};
  return run_master(request, std::move(loaded));
}

int check(const Arguments& arguments) {
  const ServeRequest request{arguments.target, arguments.overrides};
  config::Loaded loaded = config::load(arguments.target, arguments.overrides);
  if (arguments.json) {
    JsonReport report;
    int exit_code = loaded.exit_code;
    if (exit_code == 0) {
      exit_code = run_check(request, loaded, report, [&](const std::string& line) { report.say(line); });
    }
    return report.finish(loaded, exit_code);
  }
  for (const config::Diagnostic& diagnostic : loaded.diagnostics) print_diagnostic(diagnostic);
  if (loaded.exit_code != 0) return loaded.exit_code;
  const auto say = [&](const std::string& line) {
    if (arguments.quiet) return;
    print(stdout, without_controls(line) + "\n");
    std::fflush(stdout);  // problems go to stderr: both in the order in which they were found
  };
  for (const std::string& choice : loaded.choices) say(choice);
  ConsoleLog log;
  return run_check(request, loaded, log, say);
}

// The flags that every command takes, taken out of its words. False after saying what is wrong.
struct CommonFlags {
  bool json = false;
  bool help = false;
};
std::optional<CommonFlags> take_common_flags(Words& words) {
  CommonFlags found;
  Words rest;
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word == "--json") {
      found.json = true;
    } else if (word == "-h" || word == "--help") {
      found.help = true;
    } else if (word == "-c" || word == "--config") {
      if (++i < words.size()) continue;
      usage(words, "CW0120", word + " needs a value\n  fix: " + word + " FILE");
      return std::nullopt;
    } else if (word != "-q" && word != "--quiet" && word != "-v" && word != "--verbose") {
      rest.push_back(word);
    }
  }
  words = std::move(rest);
  return found;
}

int version(Words words) {
  const Words given = words;
  const std::optional<CommonFlags> flags = take_common_flags(words);
  if (!flags) return config::kUsage;
  if (!words.empty()) {
    return usage(given, "CW0120", "version takes no \"" + words.front() + "\"\n  fix: cutwater version [--json]");
  }
  if (flags->help) {
    print(stdout, command_help("version", is_coloured(STDOUT_FILENO)));
  } else {
    print(stdout, flags->json ? "{\"version\": \"" CUTWATER_VERSION "\"}\n" : "cutwater " CUTWATER_VERSION "\n");
  }
  return 0;
}

int help(Words words) {
  const Words given = words;
  std::erase(words, "--markdown");  // the long topics are Markdown in any case
  const std::optional<CommonFlags> flags = take_common_flags(words);
  if (!flags) return config::kUsage;
  const std::string topic = words.empty() ? "" : words.front();
  const bool bold = !flags->json && is_coloured(STDOUT_FILENO);
  std::string text = topic.empty() ? short_help(bold) : help_topic(topic, bold);
  if (text.empty() && config::is_later_command(topic)) return later_command(given, topic);
  if (text.empty()) {
    const std::string near = nearest_topic(topic);
    const std::string meant = near.empty() ? "" : "; did you mean \"" + near + "\"?";
    const std::string fix = near.empty() ? "cutwater help lists the topics" : "cutwater help " + near;
    return usage(given, "CW0120", "no help on \"" + topic + "\"" + meant + "\n  fix: " + fix);
  }
  if (flags->json) {
    const nlohmann::json object = {{"topic", topic}, {"text", text}};
    text = object.dump() + "\n";
  }
  print(stdout, text);
  return 0;
}

int run_with_arguments(const std::string& command, const Words& words) {
  ParsedArguments parsed = parse_arguments(command, words);
  if (const auto* error = std::get_if<UsageError>(&parsed)) {
    if (command != "check" || !wants_json(words)) return usage(words, error->code, error->text);
    JsonReport report;
    report.write(base::Severity::kError, error->code, error->text);
    return report.finish({}, config::kUsage);
  }
  const Arguments& arguments = std::get<Arguments>(parsed);
  if (arguments.help) {
    print(stdout, command_help(command, is_coloured(STDOUT_FILENO)));
    return 0;
  }
  return command == "serve" ? serve(arguments) : check(arguments);
}

// Somebody left the "serve" away.
bool is_like_a_target(const std::string& word) {
  return !word.starts_with('-') && (word.find(':') != std::string::npos || ::access(word.c_str(), F_OK) == 0);
}

int unknown_command(const Words& words) {
  const std::string& command = words.front();
  if (config::is_later_command(command)) return later_command(words, command);
  if (is_like_a_target(command)) {
    return usage(words, "CW0120", "\"" + command + "\" is no command\n  fix: cutwater serve " + command);
  }
  if (command.starts_with('-')) {
    return usage(words, "CW0120",
                 "the command is missing before " + command + "\n  fix: cutwater serve " + command + " ...");
  }
  std::string message = "unknown command \"" + command + "\"";
  std::string near = config::closest(command, {"serve", "check", "version", "help"});
  if (!near.empty()) message += "; did you mean \"" + near + "\"?";
  return usage(words, "CW0120", message + "\n  fix: cutwater " + (near.empty() ? "help" : near));
}

int run(const Words& words) {
  if (words.empty()) {
    print(stdout, short_help(is_coloured(STDOUT_FILENO)));
    return 0;
  }
  const std::string& command = words.front();
  const Words rest(words.begin() + 1, words.end());
  if (command == "help" || command == "-h" || command == "--help") return help(rest);
  if (command == "version" || command == "-V" || command == "--version") return version(rest);
  if (command == "serve" || command == "check") return run_with_arguments(command, rest);
  return unknown_command(words);
}

// Where 0, 1 or 2 is closed the next file that is opened would be taken for it.
void fill_standard_descriptors() {
  for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(descriptor, F_GETFD) >= 0) continue;
    if (descriptor == STDOUT_FILENO) output.is_closed = true;
    base::FileDescriptor nothing(::open("/dev/null", descriptor == STDIN_FILENO ? O_RDONLY : O_WRONLY));
    if (nothing.get() == descriptor) static_cast<void>(nothing.release());
  }
}

}  // namespace

int run_command_line(int argc, char** argv) {
  fill_standard_descriptors();
  try {
    const int exit_code = run(Words(argv + (argc > 0 ? 1 : 0), argv + argc));
    if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0 && !output.lost) return exit_code;
    print(stderr, std::string("error cutwater cannot write to its standard output") +
                      (output.lost ? ": it is closed" : "") + "\n  fix: let it go to a terminal, a pipe or a file\n");
    return exit_code == 0 ? config::kRuntimeFailure : exit_code;
  } catch (const std::exception& error) {
    print(stderr, std::string("error cutwater stopped: ") + error.what() + "\n");
    return config::kRuntimeFailure;
  }
}

}  // namespace cutwater::app
