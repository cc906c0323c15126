#include "config/parse_value.h"

#include <algorithm>

#include "base/text.h"
#include "config/address.h"
#include "config/closest.h"
#include "config/project_files.h"

namespace cutwater::config {
namespace {

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
  if (prefix.find('%') != std::string::npos) {
    return not_a(setting, node, "write the characters themselves: a path is decoded before it is compared");
  }
  const std::string whole = prefix + "/";
  if (whole.find("/./") != std::string::npos || whole.find("/../") != std::string::npos) {
    return not_a(setting, node, "leave the dots out: no path has them when it is compared");
  }
  if (prefix.ends_with('/')) prefix.pop_back();
  return Value(prefix);
}

// What containers are often told, for the outputs we know by their names.
std::string word_for_device(std::string_view text) {
  constexpr std::string_view kDevices = "/dev/";
  return text.starts_with(kDevices) ? std::string(text.substr(kDevices.size())) : std::string();
}

// As a file it would be one that nobody looks for.
bool is_word_for_output(std::string_view text) {
  constexpr std::string_view kWords[] = {"stdout", "stderr", "off", "none", "-", "/dev/stdout", "/dev/stderr"};
  return std::find(std::begin(kWords), std::end(kWords), text) != std::end(kWords);
}

Problem wrong_word(const Setting& setting, const Node& node) {
  const std::vector<std::string> choices = split_list(setting.choices, '|');
  const bool is_none = node.text == "none" && contains_choice(setting.choices, "off");
  const std::string meant = is_none ? "off" : choices.front();
  return {"CW0103", "takes " + kind_text(setting) + ", not " + quoted(node.text),
          "write " + quoted(meant) + "; for a file of that name ./" + node.text};
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
      if (const std::string word = word_for_device(node.text); contains_choice(setting.choices, word))
        return Value(word);
      if (is_later_choice(setting.later_choices, node.text)) {
        return Problem{"CW0106", quoted(node.text) + " is known, not in this version", "use a file"};
      }
      if (is_word_for_output(node.text)) return wrong_word(setting, node);
      [[fallthrough]];
    case Kind::kPath:
      if (node.text.empty()) return Problem{"CW0103", "is empty; it takes a path"};
      return Value(absolute_path(folder, node.text));
    default:
      return Value(node.text);
  }
}

}  // namespace

std::string quoted(std::string_view text) {
  return "\"" + std::string(text) + "\"";
}

bool is_text(const Node& node) {
  return node.type == Node::Type::kText || node.type == Node::Type::kWord;
}

Problem wrong_type(const Setting& setting, const Node& node) {
  return {"CW0102", "takes " + kind_text(setting) + ", not " + std::string(type_name(node.type)), "", node.position};
}

Parsed parse_value(const Setting& setting, const Node& node, const std::string& folder) {
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
    case Kind::kText:
    case Kind::kPath:
    case Kind::kPathOrWord:
    case Kind::kUrlPrefix:
    case Kind::kAddress:
      return parse_text(setting, node, folder);
    default:
      return parse_compound(setting, node, folder);
  }
}

}  // namespace cutwater::config
