// Reading "gunicorn shop.wsgi --bind 0.0.0.0:$PORT" as it stands in a Procfile.
#include <algorithm>
#include <array>
#include <utility>

#include "config/detect_steps.h"
#include "config/target.h"

namespace cutwater::config {
namespace {

bool is_separator(const std::string& word) {
  return word == "&&" || word == "||" || word == ";" || word == "|";
}

bool is_server(const std::string& word) {
  static constexpr std::array kServers = std::to_array<std::string_view>(
      {"gunicorn", "uvicorn", "daphne", "hypercorn", "granian", "waitress-serve", "cutwater"});
  std::string_view name = std::string_view(word).substr(word.rfind('/') == std::string::npos ? 0 : word.rfind('/') + 1);
  return std::find(kServers.begin(), kServers.end(), name) != kServers.end();
}

// Flags of these servers that take no value; every other one without "=" takes the next word.
bool takes_no_value(const std::string& flag) {
  static constexpr std::array kFlags = std::to_array<std::string_view>({"--preload",
                                                                        "--reload",
                                                                        "--daemon",
                                                                        "-D",
                                                                        "--check-config",
                                                                        "--print-config",
                                                                        "--capture-output",
                                                                        "--no-sendfile",
                                                                        "--proxy-protocol",
                                                                        "--factory",
                                                                        "--proxy-headers",
                                                                        "--no-proxy-headers",
                                                                        "--use-colors",
                                                                        "--no-use-colors",
                                                                        "--access-log",
                                                                        "--no-access-log",
                                                                        "--reuse-port",
                                                                        "--enable-stdio-inheritance",
                                                                        "--spew",
                                                                        "--initgroups",
                                                                        "--disable-redirect-access-to-syslog",
                                                                        "-q",
                                                                        "-v",
                                                                        "--debug",
                                                                        "--call",
                                                                        "--expose-tracebacks",
                                                                        "--no-server-header",
                                                                        "--server-header",
                                                                        "--respawn-failed-workers"});
  return std::find(kFlags.begin(), kFlags.end(), flag) != kFlags.end();
}

std::string unquoted_target(const std::string& word) {
  size_t colon = word.find(':');
  if (!is_module_name(word.substr(0, colon))) return "";
  return with_attribute(word);
}

}  // namespace

std::vector<std::string> split_shell_words(const std::string& command) {
  std::vector<std::string> words;
  std::string word;
  bool open = false;
  char quote = '\0';
  auto finish = [&] {
    if (open) words.push_back(std::exchange(word, ""));
    open = false;
  };
  for (size_t i = 0; i < command.size(); ++i) {
    char c = command[i];
    if (quote != '\0') {
      if (c == quote) {
        quote = '\0';
      } else if (c == '\\' && quote == '"' && i + 1 < command.size()) {
        word += command[++i];
      } else {
        word += c;
      }
    } else if (c == '\'' || c == '"') {
      quote = c;
      open = true;
    } else if (c == '\\' && i + 1 < command.size()) {
      word += command[++i];
      open = true;
    } else if (c == ' ' || c == '\t' || c == '\r') {
      finish();
    } else if (c == ';' || c == '&' || c == '|') {
      finish();
      bool twice = i + 1 < command.size() && command[i + 1] == c;
      words.emplace_back(twice ? 2 : 1, c);
      if (twice) ++i;
    } else {
      word += c;
      open = true;
    }
  }
  finish();
  return words;
}

std::optional<ServedBy> read_server_command(const std::string& command) {
  const std::vector<std::string> words = split_shell_words(command);
  ServedBy served;
  size_t at = 0;
  for (; at < words.size() && !is_server(words[at]); ++at) {
    if (words[at] == "cd" && at + 1 < words.size()) served.folder = words[at + 1];
  }
  if (at == words.size()) return std::nullopt;
  served.server = words[at].substr(words[at].rfind('/') == std::string::npos ? 0 : words[at].rfind('/') + 1);
  bool factory = false;
  for (++at; at < words.size() && !is_separator(words[at]); ++at) {
    const std::string& word = words[at];
    std::string flag = word.substr(0, word.find('='));
    bool has_value = flag.size() != word.size();
    factory = factory || word == "--factory" || word == "--call";
    if (!word.starts_with('-')) {
      if (served.target.empty() && word != "serve") served.target = unquoted_target(word);
    } else if (flag == "--chdir" || flag == "--app-dir") {
      served.folder = has_value ? word.substr(flag.size() + 1) : (at + 1 < words.size() ? words[at + 1] : "");
      if (!has_value) ++at;
    } else if (!has_value && !takes_no_value(word)) {
      ++at;
    }
  }
  if (served.target.empty()) return std::nullopt;
  if (factory && !served.target.ends_with(')')) served.target += "()";
  return served;
}

}  // namespace cutwater::config
