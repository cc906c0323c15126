// One virtual environment's folder: is it one, does it still work, which Python made it (PEP 405, pyvenv.cfg).
#pragma once

#include <optional>
#include <string>

#include "config/reporter.h"

namespace cutwater::config {

// A folder with bin/python or pyvenv.cfg (conda's have only the first).
bool is_environment(const std::string& folder);

// The path of its interpreter, or nullopt after telling `reporter` why it cannot be used (CW0203, CW0204).
// `project` decides how the fix is worded (uv or venv).
std::optional<std::string> environment_python(const std::string& folder, const std::string& project,
                                              Reporter& reporter);

// "3.12.1" of a pyvenv.cfg; "" when it does not say.
std::string environment_version(const std::string& folder);

// True for "3.8.18", false for "3.9", "3.13.0" and what is no version.
bool is_too_old(const std::string& version);

}  // namespace cutwater::config
