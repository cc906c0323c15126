// The words after `serve` and `check`, read into what load() takes. The flags come from the settings table.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "config/load.h"

namespace cutwater::app {

struct Arguments {
  std::string target;
  config::Overrides overrides;
  bool json = false;
  bool quiet = false;
  bool verbose = false;
  bool help = false;
};

// `command` only appears in messages. An error is the whole text behind "error[CW0120] " or "error[CW0106] ".
struct UsageError {
  std::string code;
  std::string text;
};
using ParsedArguments = std::variant<Arguments, UsageError>;
ParsedArguments parse_arguments(const std::string& command, const std::vector<std::string>& words);

}  // namespace cutwater::app
