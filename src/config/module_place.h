// Which module a file is and which folder has to be in sys.path for it.
#pragma once

#include <string>

#include "config/python_names.h"

namespace cutwater::config {

struct ModulePlace {
  std::string root;    // absolute
  std::string module;  // "shop.web"; "" when the file cannot be imported by a name ("my-app.py")
};

// `project`: the folder the file was found under, "" for a file named by the user. Packages (with __init__.py) are
// climbed out of; a plain folder between project and file counts as a package unless the file imports its neighbours
// by their plain names.
ModulePlace place_module(const std::string& path, const std::string& project, const PythonModule& content);

}  // namespace cutwater::config
