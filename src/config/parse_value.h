// Checking one written value against the kind of its setting: the value, or the words for what is wrong with it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "config/settings.h"

namespace cutwater::config {

struct Problem {
  std::string_view code;
  std::string what;
  std::string fix = {};
  Position position = {};  // of the part that is wrong, when it is not the whole value
};
using Parsed = std::variant<Value, Problem>;

// `folder`: what relative paths count from.
Parsed parse_value(const Setting& setting, const Node& node, const std::string& folder);
// Of a kind that is more than one word: a list, a table, a command.
Parsed parse_compound(const Setting& setting, const Node& node, const std::string& folder);

std::string quoted(std::string_view text);
bool is_text(const Node& node);
Problem wrong_type(const Setting& setting, const Node& node);

}  // namespace cutwater::config
