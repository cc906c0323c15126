#include "supervise/python_command.h"

#include <algorithm>

#include "base/text.h"
#include "supervise/script_start.h"

namespace cutwater::supervise {

namespace {

constexpr std::string_view kSwitches = "BEIOPSbdqsu";  // each for itself; W and X take the rest

bool is_version(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || c == '.'; });
}

// One argument, as the system passes all that stands behind the interpreter's name.
bool is_for_the_start(std::string_view argument) {
  if (argument.empty()) return true;
  if (argument.size() < 2 || argument[0] != '-') return false;
  const size_t last = argument.find_first_not_of(kSwitches, 1);
  if (last == std::string_view::npos) return true;
  const bool takes_rest = argument[last] == 'W' || argument[last] == 'X';
  return takes_rest && last + 1 < argument.size() && argument.find(' ') == std::string_view::npos;
}

std::string_view take_word(std::string_view& line) {
  line = base::trim_whitespace(line);
  const std::string_view word = line.substr(0, line.find_first_of(" \t"));
  line = base::trim_whitespace(line.substr(word.size()));
  return word;
}

}  // namespace

bool is_python(std::string_view executable) {
  const std::string_view name = executable.substr(executable.rfind('/') + 1);
  if (!name.starts_with("python")) return false;
  const std::string_view version = name.substr(6);
  return version.empty() || (version.starts_with("3") && is_version(version));
}

std::optional<PythonCommand> python_of_line(std::string_view line, std::string_view path) {
  if (!line.starts_with("#!")) return std::nullopt;
  line.remove_prefix(2);
  std::string executable(take_word(line));
  if (executable.ends_with("/env")) {
    std::string_view word = take_word(line);
    const bool splits = word == "-S";
    if (splits) word = take_word(line);
    // Without -S, env looks for a program whose name is all that stands there.
    const bool is_plain = word.find_first_of("=\\'\"$") == std::string_view::npos && (splits || line.empty());
    if (!is_plain || line.find_first_of(" \t\\'\"$#") != std::string_view::npos) return std::nullopt;
    executable = find_program(std::string(word), path);
  }
  if (!executable.starts_with('/') || !is_python(executable) || !is_for_the_start(line)) return std::nullopt;
  PythonCommand command = {std::move(executable)};
  if (!line.empty()) command.emplace_back(line);
  return command;
}

}  // namespace cutwater::supervise
