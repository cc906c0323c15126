// What TARGET on the command line (or CUTWATER_APP) names.
#pragma once

#include <optional>
#include <string>

#include "config/detect.h"
#include "config/reporter.h"

namespace cutwater::config {

struct Target {
  std::string folder;           // absolute: where a configuration and the app are looked for
  std::string config_file;      // TARGET was a TOML file
  std::optional<Detected> app;  // TARGET was a Python file or module:attr; `root` empty = `folder`
};

// nullopt after telling `reporter` what is wrong with it (CW0105, CW0112).
std::optional<Target> read_target(const std::string& text, Reporter& reporter);

// "shop.wsgi" -> "shop.wsgi:application" as WSGI servers read it; everything else as it is.
std::string with_attribute(const std::string& target);

// "shop.wsgi": identifiers joined by dots.
bool is_module_name(std::string_view text);

}  // namespace cutwater::config
