// Which Python runs an app. Order: the `python` setting; .venv, venv, env in the project, then in its parents up to the
// repository's root; $VIRTUAL_ENV; $UV_PROJECT_ENVIRONMENT; $CONDA_PREFIX; .python-version under pyenv; python3 on
// PATH. Nothing is run to find out. Links are never resolved: <venv>/bin/python is how Python knows its environment.
#pragma once

#include <optional>
#include <string>

#include "config/model.h"
#include "config/reporter.h"

namespace cutwater::config {

struct Interpreter {
  std::string path;  // absolute
  std::string why;   // ".venv in the project"
};

// `base_folder` is what a relative `python` setting counts from first (the configuration file's folder), the app's root
// comes second. Nothing usable: the reason went to `reporter`.
std::optional<Interpreter> find_interpreter(const App& app, const std::string& base_folder, Reporter& reporter);

}  // namespace cutwater::config
