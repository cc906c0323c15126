// Checking one written value against its setting, and the words for what is wrong with it.
#include <algorithm>
#include <cctype>

#include "base/text.h"
#include "config/address.h"
#include "config/closest.h"
#include "config/project_files.h"
#include "config/settings.h"

namespace cutwater::config {
namespace {

struct Problem {
  std::string_view code;
  std::string what;
  std::string fix = {};
  Position position = {};  // of the part that is wrong, when it is not the whole value
};
using Parsed = std::variant<Value, Problem>;

std::string quoted(std::string_view text) {
  return "\"" + std::string(text) + "\"";
}

Problem wrong_type(const Setting& setting, const Node& node) {
  return {"CW0102", "takes " + kind_text(setting) + ", not " + std::string(type_name(node.type)), "", node.position};
}

bool is_text(const Node& node) {
  return node.type == Node::Type::kText || node.type == Node::Type::kWord;
}

bool contains_choice(std::string_view choices, const std::string& word) {
  TextList all = split_list(choices, '|');
  return std::find(all.begin(), all.end(), word) != all.end();
}

// "common" in "common|gunicorn:"; an entry that ends with a colon stands for all that begin so.
bool is_later_choice(std::string_view choices, const std::string& word) {
  const TextList all = split_list(choices, '|');
  return std::any_of(all.begin(), all.end(), [&](const std::string& choice) {
    return word == choice || (choice.ends_with(':') && word.starts_with(choice));
  });
}

// A value that would do, as a file has it when `in_file`.
std::string example_value(const Setting& setting, bool in_file) {
  const auto text = [&](std::string_view plain) { return in_file ? quoted(plain) : std::string(plain); };
  switch (setting.kind) {
    case Kind::kText:
    case Kind::kPath:
      return text("...");
    case Kind::kUrlPrefix:
      return text("/shop");
    case Kind::kOctalMode:
      return text("660");
    case Kind::kInteger:
      return std::string(setting.default_text);
    case Kind::kAutoInteger:
      return setting.default_text == "auto" ? text("auto") : std::string(setting.default_text);
    case Kind::kNetworkList:
      return in_file ? "[\"10.0.0.0/8\"]" : "10.0.0.0/8";
    case Kind::kUserList:
      return "[\"www-data\"]";
    case Kind::kEndings:
      return "[\".cgi\"]";
    case Kind::kOrigins:
      return "[\"https://example.com\"]";
    case Kind::kPrograms:
      return "{ \".py\" = \"python3\" }";
    case Kind::kVariables:
      return "{ NAME = \"value\" }";
    case Kind::kFolders:
      return "{ \"/protected/\" = \"/srv/media\" }";
    case Kind::kServers:
      return "[\"http://10.0.0.5:8000\"]";
    case Kind::kCommand:
      return "[\"php-cgi\"]";
    case Kind::kProcesses:
      return "{ min = 0, max = 8 }";
    case Kind::kDuration:
      return text(setting.default_text.empty() ? "1h" : setting.default_text);
    default:
      return text(setting.default_text);
  }
}

// What to do about a value when nothing better is known: one that would do, where this one was written.
std::string example_of(const Setting& setting, const Node& node, const Source& source) {
  if (node.type != Node::Type::kWord) {
    return "for example " + std::string(setting.key) + " = " + example_value(setting, true);
  }
  std::string value = source.name == "PORT" ? "8000" : example_value(setting, false);
  return "for example " + source.name + (source.name.starts_with("--") ? " " : "=") + value;
}

std::string amount_text(const Setting& setting, uint64_t amount) {
  switch (setting.kind) {
    case Kind::kDuration:
      return to_duration_text(base::Duration(static_cast<int64_t>(amount)));
    case Kind::kSize:
    case Kind::kRate:
      return to_size_text(amount);
    default:
      return std::to_string(amount);
  }
}

std::optional<Problem> range_problem(const Setting& setting, uint64_t amount, const Node& node) {
  if (amount >= setting.minimum && amount <= setting.maximum) return std::nullopt;
  return Problem{"CW0103", "takes " + amount_text(setting, setting.minimum) + " to " +
                               amount_text(setting, setting.maximum) + ", not " + node.text};
}

Problem not_a(const Setting& setting, const Node& node, const std::string& fix = "") {
  return {"CW0103", quoted(node.text) + " is not " + kind_text(setting), fix};
}

Parsed parse_choice(const Setting& setting, const Node& node) {
  bool boolean_word = node.type == Node::Type::kBoolean && contains_choice(setting.choices, node.text);
  if (!is_text(node) && !boolean_word) return wrong_type(setting, node);
  if (contains_choice(setting.choices, node.text)) return Value(node.text);
  if (is_later_choice(setting.later_choices, node.text)) {
    return Problem{"CW0106", quoted(node.text) + " is known, not in this version", "use " + kind_text(setting)};
  }
  std::string near = closest(node.text, split_list(setting.choices, '|'));
  return not_a(setting, node, near.empty() ? "" : "did you mean " + quoted(near) + "?");
}

Parsed parse_integer(const Setting& setting, const Node& node) {
  bool automatic = setting.kind == Kind::kAutoInteger;
  if (automatic && is_text(node) && node.text == "auto") return Value(uint64_t{0});
  if (automatic && node.type == Node::Type::kTable) {
    return Problem{"CW0106", "{ min, max, idle } is known, not in this version", "give one number, or \"auto\""};
  }
  if (node.type != Node::Type::kInteger && node.type != Node::Type::kWord) {
    Problem problem = wrong_type(setting, node);
    if (node.type == Node::Type::kText && base::parse_decimal(node.text)) problem.fix = "write it without quotes";
    return problem;
  }
  auto number = base::parse_decimal(node.text);
  if (!number && node.type == Node::Type::kWord) return not_a(setting, node);
  if (auto problem = range_problem(setting, number.value_or(UINT64_MAX), node)) return *problem;
  return Value(*number);
}

Parsed parse_amount(const Setting& setting, const Node& node) {
  if (!is_text(node)) {
    Problem problem = wrong_type(setting, node);
    const char* unit = setting.kind == Kind::kDuration ? "s" : "B";
    if (node.type == Node::Type::kInteger && !node.text.starts_with('-')) {
      problem.fix = "give a unit: \"" + node.text + unit + "\"";
    }
    return problem;
  }
  if (setting.kind == Kind::kDuration) {
    auto duration = parse_duration(node.text);
    bool bare = base::parse_decimal(node.text).has_value();
    if (!duration) return not_a(setting, node, bare ? "give a unit: \"" + node.text + "s\"" : "");
    if (auto problem = range_problem(setting, static_cast<uint64_t>(duration->count()), node)) return *problem;
    return Value(*duration);
  }
  auto size = parse_size(node.text, setting.kind == Kind::kRate);
  if (!size) return not_a(setting, node);
  if (auto problem = range_problem(setting, *size, node)) return *problem;
  return Value(*size);
}

Parsed parse_mode(const Setting& setting, const Node& node) {
  if (!is_text(node)) {
    Problem problem = wrong_type(setting, node);
    if (node.type == Node::Type::kInteger) problem.fix = "write it in quotes";
    return problem;
  }
  auto mode = parse_octal_mode(node.text);
  if (!mode) return not_a(setting, node);
  return Value(*mode);
}

bool is_user_name(const std::string& name) {
  return !name.empty() && name.find_first_of(std::string_view(" \t:/\0", 5)) == std::string::npos;
}

bool is_ending(const std::string& text) {
  return text.size() > 1 && text.starts_with('.') &&
         text.find_first_of(std::string_view("/\0", 2)) == std::string::npos;
}

// What a browser says in the field Origin, or that with "*." before the host.
bool is_origin(std::string_view text) {
  if (text == "same") return true;
  const size_t end_of_scheme = text.find("://");
  if (end_of_scheme == 0 || end_of_scheme == std::string_view::npos) return false;
  std::string_view host = text.substr(end_of_scheme + 3);
  if (host.starts_with("*.")) host.remove_prefix(2);
  const bool plain = std::all_of(host.begin(), host.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           std::string_view(".-:[]_").find(c) != std::string_view::npos;
  });
  return plain && !host.empty() && host.front() != '.';
}

Parsed parse_list(const Setting& setting, const Node& node) {
  std::vector<Node> items = node.items;
  if (node.type == Node::Type::kWord) {
    for (const std::string& word : split_list(node.text, ',')) {
      Node& item = items.emplace_back();
      item.type = Node::Type::kWord;
      item.text = word;
    }
  } else if (node.type != Node::Type::kList) {
    return wrong_type(setting, node);
  }
  TextList entries;
  for (const Node& item : items) {
    if (!is_text(item)) return wrong_type(setting, item);
    if (setting.kind == Kind::kUserList && !is_user_name(item.text)) {
      return Problem{"CW0103", quoted(item.text) + " is no user", "write a name or number, such as \"www-data\"",
                     item.position};
    }
    if (setting.kind == Kind::kEndings && !is_ending(item.text)) {
      return Problem{"CW0103", quoted(item.text) + " is no ending of file names", "write for example \".cgi\"",
                     item.position};
    }
    if (setting.kind == Kind::kOrigins && !is_origin(item.text)) {
      return Problem{"CW0103", quoted(item.text) + " is no origin of pages",
                     "write \"https://example.com\", \"https://*.example.com\" or \"same\"; no path belongs to it",
                     item.position};
    }
    if (setting.kind == Kind::kNetworkList && !is_network(item.text)) {
      return Problem{"CW0103", quoted(item.text) + " is no address or network",
                     "write \"10.0.0.7\", \"10.0.0.0/8\", \"::1\", or \"*\" to believe everybody", item.position};
    }
    entries.push_back(item.text);
  }
  return Value(entries);
}

bool is_variable_name(const std::string& name) {
  return !name.empty() && name.find('=') == std::string::npos && name.find('\0') == std::string::npos;
}

Parsed parse_variables(const Setting& setting, const Node& node) {
  if (node.type != Node::Type::kTable) return wrong_type(setting, node);
  TextMap variables;
  for (const Entry& entry : node.entries) {
    if (!is_variable_name(entry.key)) {
      return Problem{"CW0103", quoted(entry.key) + " cannot name a variable", "", entry.position};
    }
    if (!is_text(entry.node) && entry.node.type != Node::Type::kInteger) {
      return Problem{"CW0102", entry.key + " takes a text, not " + std::string(type_name(entry.node.type)),
                     "write it in quotes", entry.node.position};
    }
    if (entry.node.text.find('\0') != std::string::npos) {
      return Problem{"CW0103", entry.key + " holds a zero byte, which no variable can"};
    }
    variables[entry.key] = entry.node.text;
  }
  return Value(variables);
}

Parsed parse_programs(const Setting& setting, const Node& node) {
  if (node.type != Node::Type::kTable) return wrong_type(setting, node);
  TextMap programs;
  for (const Entry& entry : node.entries) {
    if (!is_ending(entry.key)) {
      return Problem{"CW0103", quoted(entry.key) + " is no ending of file names",
                     "write for example { \".py\" = \"python3\" }", entry.position};
    }
    const bool is_program = is_text(entry.node) && !entry.node.text.empty() &&
                            entry.node.text.find_first_of(std::string_view(" \t\0", 3)) == std::string::npos;
    // A relative path would be another program in each script's folder.
    if (!is_program || (entry.node.text.find('/') != std::string::npos && !entry.node.text.starts_with('/'))) {
      return Problem{"CW0103", quoted(entry.key) + " takes the name of a program in PATH, or its whole path",
                     "write it without arguments: \"python3\"", entry.node.position};
    }
    programs[entry.key] = entry.node.text;
  }
  return Value(programs);
}

Parsed parse_folders(const Setting& setting, const Node& node, const std::string& folder) {
  if (node.type != Node::Type::kTable) return wrong_type(setting, node);
  TextMap folders;
  for (const Entry& entry : node.entries) {
    const std::string with_end = entry.key.ends_with('/') ? entry.key : entry.key + "/";
    const bool is_path = with_end.starts_with('/') && with_end.find("//") == std::string::npos &&
                         with_end.find("/./") == std::string::npos && with_end.find("/../") == std::string::npos &&
                         with_end.find_first_of("?#*") == std::string::npos;
    if (!is_path) {
      return Problem{"CW0103", quoted(entry.key) + " is no path of URLs", "write for example \"/protected/\"",
                     entry.position};
    }
    if (!is_text(entry.node) || entry.node.text.empty() || entry.node.text.find('\0') != std::string::npos) {
      return Problem{"CW0103", quoted(entry.key) + " names no folder", "", entry.node.position};
    }
    if (!folders.emplace(with_end, absolute_path(folder, entry.node.text)).second) {
      return Problem{"CW0103", quoted(with_end) + " is there twice", "remove one", entry.position};
    }
  }
  return Value(folders);
}

Parsed parse_servers(const Setting& setting, const Node& node, const std::string& folder) {
  if (node.type != Node::Type::kList) return wrong_type(setting, node);
  ServerList servers;
  for (const Node& item : node.items) {
    const Entry* url = item.find("url");
    const Entry* weight = item.find("weight");
    for (const Entry& entry : item.entries) {
      if (entry.key != "url" && entry.key != "weight") {
        return Problem{"CW0101", "unknown key " + quoted(entry.key) + " of a server", "write url and weight alone",
                       entry.position};
      }
    }
    const Node& text = url == nullptr ? item : url->node;
    if (!is_text(text)) return wrong_type(setting, text);
    ServerAddress parsed = parse_server(text.text);
    if (!parsed.problem.empty()) {
      return Problem{
          parsed.is_later ? "CW0106" : "CW0103", quoted(text.text) + ": " + parsed.problem,
          parsed.is_later ? "write \"http://10.0.0.5:8000\" or \"unix:/run/api.sock\"" : server_advice(text.text, ""),
          text.position};
    }
    Server& server = servers.emplace_back();
    server.address = parsed.address;
    server.is_url = parsed.is_url;
    if (server.address.starts_with("unix:")) server.address = "unix:" + absolute_path(folder, server.address.substr(5));
    if (weight == nullptr) continue;
    const auto number = base::parse_decimal(weight->node.text);
    if (weight->node.type != Node::Type::kInteger || !number || *number == 0 || *number > 1000) {
      return Problem{"CW0103", "weight takes a number from 1 to 1000", "", weight->node.position};
    }
    server.weight = static_cast<unsigned>(*number);
  }
  if (servers.empty()) return Problem{"CW0103", "is empty; it takes one server at least"};
  return Value(servers);
}

// Blanks separate words, but not between quotes; no other character means anything. nullopt: a quote is left open.
std::optional<TextList> split_words(const std::string& text) {
  TextList words;
  std::string word;
  bool is_word = false;
  char quote = 0;
  for (char c : text) {
    if (quote != 0 ? c == quote : (c == '\'' || c == '"')) {
      quote = quote != 0 ? '\0' : c;
      is_word = true;
    } else if (quote == 0 && (c == ' ' || c == '\t' || c == '\n')) {
      if (is_word) words.push_back(std::exchange(word, {}));
      is_word = false;
    } else {
      word += c;
      is_word = true;
    }
  }
  if (quote != 0) return std::nullopt;
  if (is_word) words.push_back(word);
  return words;
}

Parsed parse_command(const Setting& setting, const Node& node, const std::string& folder) {
  TextList words;
  if (node.type == Node::Type::kList) {
    for (const Node& item : node.items) {
      if (!is_text(item)) return wrong_type(setting, item);
      words.push_back(item.text);
    }
  } else if (!is_text(node)) {
    return wrong_type(setting, node);
  } else if (auto split = split_words(node.text)) {
    words = std::move(*split);
  } else {
    return Problem{"CW0103", quoted(node.text) + " has a quote that is not closed", "write a list: [\"php-cgi\"]"};
  }
  for (const std::string& word : words) {
    if (word.find('\0') != std::string::npos) return Problem{"CW0103", "holds a zero byte"};
  }
  if (words.empty() || words.front().empty())
    return Problem{"CW0103", "is empty; it takes a program and its arguments"};
  if (words.front().find('/') != std::string::npos) words.front() = absolute_path(folder, words.front());
  return Value(words);
}

Parsed parse_processes(const Setting& setting, const Node& node) {
  constexpr unsigned kMost = 1000;
  const auto count_of = [&](const Node& number) -> std::optional<unsigned> {
    const auto count = base::parse_decimal(number.text);
    if (number.type != Node::Type::kInteger || !count || *count > kMost) return std::nullopt;
    return static_cast<unsigned>(*count);
  };
  ProcessCount count;
  if (node.type == Node::Type::kInteger) {
    const auto number = count_of(node);
    if (!number || *number == 0) return Problem{"CW0103", "takes 1 to 1000 processes, not " + node.text};
    count.min = count.max = *number;
    return Value(count);
  }
  if (node.type != Node::Type::kTable) return wrong_type(setting, node);
  for (const Entry& entry : node.entries) {
    if (entry.key == "idle") {
      const auto idle = is_text(entry.node) ? parse_duration(entry.node.text) : std::nullopt;
      if (!idle || *idle < std::chrono::milliseconds(10)) {
        return Problem{"CW0103", "idle takes a duration such as \"60s\", of 10ms at least", "", entry.node.position};
      }
      count.idle = *idle;
      continue;
    }
    unsigned* const place = entry.key == "min"     ? &count.min
                            : entry.key == "max"   ? &count.max
                            : entry.key == "spare" ? &count.spare
                                                   : nullptr;
    if (place == nullptr) {
      return Problem{"CW0101", "unknown key " + quoted(entry.key), "write min, max, spare and idle alone",
                     entry.position};
    }
    const auto number = count_of(entry.node);
    if (!number || (place == &count.max && *number == 0)) {
      return Problem{"CW0103", entry.key + " takes a number from " + (place == &count.max ? "1" : "0") + " to 1000", "",
                     entry.node.position};
    }
    *place = *number;
  }
  if (count.min > count.max || count.spare > count.max) {
    return Problem{"CW0103",
                   std::string(count.min > count.max ? "min" : "spare") + " is more than max, which is " +
                       std::to_string(count.max),
                   "raise max"};
  }
  return Value(count);
}

Parsed parse_address(const Node& node, const std::string& folder) {
  if (node.text.starts_with("systemd:")) {
    return Problem{"CW0106", "\"systemd:\" is known, not in this version", "use \"fd:3\" for the first passed socket"};
  }
  if (std::string problem = listen_address_problem(node.text); !problem.empty()) {
    return Problem{"CW0103", quoted(node.text) + " cannot be listened on: " + problem, listen_advice(node.text)};
  }
  if (node.text.starts_with("unix:")) return Value("unix:" + absolute_path(folder, node.text.substr(5)));
  return Value(node.text);
}

Parsed parse_prefix(const Setting& setting, const Node& node) {
  std::string prefix = node.text;
  if (prefix == "/") prefix.clear();
  bool good = prefix.empty() || (prefix.front() == '/' && prefix.find("//") == std::string::npos &&
                                 prefix.find_first_of("?#* \t\r\n") == std::string::npos);
  if (!good) return not_a(setting, node, prefix.starts_with('/') ? "" : "begin it with \"/\"");
  if (prefix.ends_with('/')) prefix.pop_back();
  return Value(prefix);
}

Parsed parse_text(const Setting& setting, const Node& node, const std::string& folder) {
  if (!is_text(node)) return wrong_type(setting, node);
  if (node.text.find('\0') != std::string::npos) return Problem{"CW0103", "holds a zero byte"};
  switch (setting.kind) {
    case Kind::kAddress:
      return parse_address(node, folder);
    case Kind::kUrlPrefix:
      return parse_prefix(setting, node);
    case Kind::kPathOrWord:
      if (contains_choice(setting.choices, node.text)) return Value(node.text);
      if (is_later_choice(setting.later_choices, node.text)) {
        return Problem{"CW0106", quoted(node.text) + " is known, not in this version", "use a file"};
      }
      [[fallthrough]];
    case Kind::kPath:
      if (node.text.empty()) return Problem{"CW0103", "is empty; it takes a path"};
      return Value(absolute_path(folder, node.text));
    default:
      return Value(node.text);
  }
}

Parsed parse(const Setting& setting, const Node& node, const std::string& folder) {
  switch (setting.kind) {
    case Kind::kChoice:
      return parse_choice(setting, node);
    case Kind::kInteger:
    case Kind::kAutoInteger:
      return parse_integer(setting, node);
    case Kind::kSize:
    case Kind::kRate:
    case Kind::kDuration:
      return parse_amount(setting, node);
    case Kind::kOctalMode:
      return parse_mode(setting, node);
    case Kind::kNetworkList:
    case Kind::kUserList:
    case Kind::kEndings:
    case Kind::kOrigins:
      return parse_list(setting, node);
    case Kind::kPrograms:
      return parse_programs(setting, node);
    case Kind::kVariables:
      return parse_variables(setting, node);
    case Kind::kServers:
      return parse_servers(setting, node, folder);
    case Kind::kFolders:
      return parse_folders(setting, node, folder);
    case Kind::kCommand:
      return parse_command(setting, node, folder);
    case Kind::kProcesses:
      return parse_processes(setting, node);
    default:
      return parse_text(setting, node, folder);
  }
}

}  // namespace

std::string kind_text(const Setting& setting) {
  std::string choices;
  for (const std::string& choice : split_list(setting.choices, '|')) {
    choices += (choices.empty() ? "" : ", ") + quoted(choice);
  }
  switch (setting.kind) {
    case Kind::kText:
      return "a text";
    case Kind::kPath:
      return "a path";
    case Kind::kPathOrWord:
      return "one of " + choices + " or a path";
    case Kind::kUrlPrefix:
      return "a URL path such as \"/shop\"";
    case Kind::kAddress:
      return "an address such as \"127.0.0.1:8000\"";
    case Kind::kChoice:
      return "one of " + choices;
    case Kind::kInteger:
      return "a number";
    case Kind::kAutoInteger:
      return "a number or \"auto\"";
    case Kind::kSize:
      return "a size such as \"10MB\"";
    case Kind::kRate:
      return "a rate such as \"500B/s\"";
    case Kind::kDuration:
      return "a duration such as \"30s\"";
    case Kind::kOctalMode:
      return "an octal mode such as \"660\"";
    case Kind::kNetworkList:
      return "a list of addresses and networks";
    case Kind::kServers:
      return "a list of servers such as \"http://10.0.0.5:8000\"";
    case Kind::kUserList:
      return "a list of users";
    case Kind::kEndings:
      return "a list of endings such as \".cgi\"";
    case Kind::kOrigins:
      return "a list of origins such as \"https://example.com\"";
    case Kind::kPrograms:
      return "a table such as { \".py\" = \"python3\" }";
    case Kind::kFolders:
      return "a table such as { \"/protected/\" = \"/srv/media\" }";
    case Kind::kCommand:
      return "a list such as [\"php-cgi\"]";
    case Kind::kProcesses:
      return "a number, or a table such as { min = 1, max = 8 }";
    case Kind::kVariables:
      break;
  }
  return "a table such as { NAME = \"value\" }";
}

void store_defaults(Section section, Scope& scope) {
  for (const Setting& setting : settings()) {
    if (setting.section != section || setting.default_text.empty()) continue;
    Node node;
    node.type = Node::Type::kWord;
    node.text = setting.default_text;
    Parsed parsed = parse(setting, node, "/");
    setting.store(scope, std::get<Value>(parsed));
  }
}

bool store_value(const Setting& setting, const Node& node, Scope& scope, const Source& source,
                 const std::string& folder, const std::string& name, Reporter& reporter) {
  Parsed parsed = parse(setting, node, folder);
  if (const auto* problem = std::get_if<Problem>(&parsed)) {
    Position position = problem->position.line == 0 ? node.position : problem->position;
    const std::string fix = problem->fix.empty() ? example_of(setting, node, source) : problem->fix;
    reporter.error_at(problem->code, source, position, name + ": " + problem->what, fix);
    return false;
  }
  setting.store(scope, std::get<Value>(parsed));
  return true;
}

}  // namespace cutwater::config
