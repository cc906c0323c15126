// Whether a script is one for Python, and how that would be started for it: for the warm one to be started likewise.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cutwater::supervise {

// The interpreter's path and the one argument that the system passes on, if any: what comes before the script's name.
using PythonCommand = std::vector<std::string>;

// Of a first line such as "#!/usr/bin/env python3" or "#!/srv/venv/bin/python -I"; `path`: where env looks. nullopt: it
// names no Python, or gives it arguments that are more than switches for the start.
std::optional<PythonCommand> python_of_line(std::string_view line, std::string_view path);

// By its name: "/usr/bin/python3.11".
bool is_python(std::string_view executable);

}  // namespace cutwater::supervise
