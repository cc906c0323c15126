// Values of more than one word: lists, tables, commands.
#include <algorithm>
#include <cctype>

#include "base/text.h"
#include "config/address.h"
#include "config/parse_value.h"
#include "config/project_files.h"

namespace cutwater::config {
namespace {

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

// As an authorizer says it behind Variable-.
bool is_name_of_request_variable(std::string_view text) {
  const bool plain = std::all_of(text.begin(), text.end(),
                                 [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; });
  return plain && !text.empty() && !text.starts_with("HTTP_");
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
    if (setting.kind == Kind::kVariableNames && !is_name_of_request_variable(item.text)) {
      return Problem{"CW0103", quoted(item.text) + " is no name of a variable",
                     "write letters, digits and '_', such as \"REMOTE_USER\", without HTTP_ or Variable- before it",
                     item.position};
    }
    if (setting.kind == Kind::kOrigins && !is_origin(item.text)) {
      return Problem{"CW0103", quoted(item.text) + " is no origin of pages",
                     "write \"https://example.com\", \"https://*.example.com\" or \"same\"; no path belongs to it",
                     item.position};
    }
    if (setting.kind == Kind::kNetworkList && !is_network(item.text)) {
      return Problem{
          "CW0103", quoted(item.text) + " is no address or network",
          "write \"10.0.0.7\", \"10.0.0.0/8\", \"::1\", \"unix\" for unix sockets, or \"*\" to believe everybody",
          item.position};
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

}  // namespace

Parsed parse_compound(const Setting& setting, const Node& node, const std::string& folder) {
  switch (setting.kind) {
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
      return parse_list(setting, node);
  }
}

}  // namespace cutwater::config
