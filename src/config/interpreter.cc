#include "config/interpreter.h"

#include <unistd.h>

#include <filesystem>

#include "base/text.h"
#include "config/checks.h"
#include "config/environment.h"
#include "config/project_files.h"
#include "config/value.h"
#include "config/virtual_environment.h"

namespace cutwater::config {
namespace {

namespace fs = std::filesystem;

bool is_executable(const std::string& path) {
  return is_file(path) && ::access(path.c_str(), X_OK) == 0;
}

bool is_version(const std::string& text) {
  return !text.empty() && text.find_first_not_of("0123456789.") == std::string::npos && text.front() != '.';
}

std::string pyenv_root() {
  std::string root = environment_value("PYENV_ROOT");
  return root.empty() ? environment_value("HOME") + "/.pyenv" : root;
}

// "3.12" -> the newest installed 3.12.x; "3.12.1" and environment names exactly.
std::string pyenv_python(const std::string& version) {
  const std::string versions = pyenv_root() + "/versions/";
  if (is_executable(versions + version + "/bin/python")) return versions + version + "/bin/python";
  std::string best;
  uint64_t best_patch = 0;
  std::error_code error;
  for (fs::directory_iterator it(versions, error), end; !error && it != end; it.increment(error)) {
    std::string name = it->path().filename();
    if (!name.starts_with(version + ".")) continue;
    auto patch = base::parse_decimal(std::string_view(name).substr(version.size() + 1));
    std::string python = versions + name + "/bin/python";
    if (patch && (best.empty() || *patch > best_patch) && is_executable(python)) {
      best = python;
      best_patch = *patch;
    }
  }
  return best;
}

// The first line of pyenv's version file in `folder`, or "".
std::string version_file(const std::string& path) {
  auto text = read_text_file(path, 4096);
  if (!text) return "";
  for (const std::string& line : split_list(*text, '\n')) {
    std::string word = line.substr(0, line.find_first_of(" \t\r#"));
    if (!word.empty() && word.find('/') == std::string::npos && !word.starts_with('.')) return word;
  }
  return "";
}

// pyenv's shims are shell scripts that ask pyenv at each start: the real interpreter is taken instead.
std::string on_path(const std::string& name) {
  const std::string shims = pyenv_root() + "/shims";
  for (const std::string& folder : split_list(environment_value("PATH"), ':')) {
    if (!folder.starts_with('/')) continue;
    if (absolute_path("/", folder) == shims) {
      std::string global = version_file(pyenv_root() + "/version");
      std::string python = global.empty() ? "" : pyenv_python(global);
      bool wanted = name == "python3" ||
                    fs::path(python).parent_path().parent_path().filename().string().starts_with(name.substr(6) + ".");
      if (!python.empty() && wanted) return python;
    } else if (is_executable(folder + "/" + name)) {
      return folder + "/" + name;
    }
  }
  return "";
}

class Discovery {
 public:
  Discovery(const App& app, const std::string& base_folder, Reporter& reporter)
      : app_(app), base_folder_(base_folder), reporter_(reporter) {}

  std::optional<Interpreter> from_setting() {
    const std::string& setting = app_.python_setting;
    if (is_version(setting)) return of_version(setting);
    for (const std::string& folder : {base_folder_, app_.root}) {
      std::string path = absolute_path(folder, setting);
      if (is_executable(path)) return Interpreter{path, "the python setting"};
      if (is_folder(path) && is_environment(path)) return in_environment(path, "the python setting");
    }
    if (setting.find('/') == std::string::npos) {
      if (std::string path = on_path(setting); !path.empty()) return Interpreter{path, "the python setting, on PATH"};
    }
    refuse_setting("CW0202",
                   absolute_path(base_folder_, setting) + " is neither a virtual environment nor an interpreter",
                   "correct it, or remove it to let Cutwater discover the interpreter");
    return std::nullopt;
  }

  std::optional<Interpreter> discover() {
    for (const std::string& folder : folders_to_repository_root(app_.root)) {
      for (const char* name : {".venv", "venv", "env"}) {
        std::string environment = folder + "/" + name;
        if (is_file(environment + "/pyvenv.cfg")) return in_environment(environment, "the project's environment");
      }
    }
    for (const char* variable : {"VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT", "CONDA_PREFIX"}) {
      std::string value = environment_value(variable);
      if (value.empty()) continue;
      std::string environment = absolute_path(app_.root, value);
      if (is_environment(environment)) return in_environment(environment, std::string("$") + variable);
      passed_over_ += std::string("\n  $") + variable + " is " + value + ", where no Python is";
    }
    if (auto found = from_version_file(); found || reporter_.failed()) return found;
    if (std::string path = on_path("python3"); !path.empty()) {
      reporter_.warning("CW0207", "app." + app_.name + ": no virtual environment in " + shown_path(app_.root) +
                                      "; python3 on PATH is used" + passed_over_ +
                                      "\n  fix: python3 -m venv .venv, or set python");
      return Interpreter{path, "python3 on PATH"};
    }
    reporter_.error("CW0201", "no Python for the app " + app_.name + ": no .venv in " + shown_path(app_.root) +
                                  ", no python3 on PATH" + passed_over_ +
                                  "\n  fix: python3 -m venv .venv, or set python");
    return std::nullopt;
  }

 private:
  void refuse_setting(std::string_view code, const std::string& why, const std::string& fix) {
    reporter_.error_at(code, place_of(app_, "python"), "app." + app_.name + ".python: " + why, fix);
  }

  std::optional<Interpreter> in_environment(const std::string& folder, const std::string& why) {
    auto python = environment_python(folder, app_.root, reporter_);
    if (!python) return std::nullopt;
    std::string version = environment_version(folder);
    return Interpreter{*python, version.empty() ? why : why + ", Python " + version};
  }

  std::optional<Interpreter> of_version(const std::string& version) {
    if (is_too_old(version)) {
      refuse_setting("CW0204", version + " is too old; Cutwater needs 3.9 or newer", "name a newer version");
      return std::nullopt;
    }
    if (std::string path = pyenv_python(version); !path.empty()) return Interpreter{path, "the python setting, pyenv"};
    TextList parts = split_list(version, '.');
    std::string name = parts.size() > 1 ? "python" + parts[0] + "." + parts[1] : "python" + parts[0];
    std::string path = parts.size() <= 2 ? on_path(name) : "";
    if (!path.empty()) return Interpreter{path, "the python setting, on PATH"};
    refuse_setting("CW0202", "no Python " + version + " under " + pyenv_root() + "/versions or on PATH",
                   "pyenv install " + version + ", or remove python to let Cutwater discover the interpreter");
    return std::nullopt;
  }

  std::optional<Interpreter> from_version_file() {
    for (const std::string& folder : folders_to_repository_root(app_.root)) {
      std::string version = version_file(folder + "/.python-version");
      if (version.empty()) continue;
      const std::string file = shown_path(folder + "/.python-version");
      if (is_too_old(version)) {
        reporter_.error("CW0204", file + " asks for Python " + version + "; Cutwater needs 3.9 or newer" +
                                      "\n  fix: write a newer version there, or set python");
        return std::nullopt;
      }
      std::string path = pyenv_python(version);
      if (!path.empty()) return Interpreter{path, ".python-version, pyenv"};
      passed_over_ += "\n  " + file + " asks for " + version + ", which is not under " + pyenv_root() + "/versions";
    }
    return std::nullopt;
  }

  const App& app_;
  const std::string& base_folder_;
  Reporter& reporter_;
  std::string passed_over_;  // what pointed to a Python that is not there: a line each
};

}  // namespace

std::optional<Interpreter> find_interpreter(const App& app, const std::string& base_folder, Reporter& reporter) {
  Discovery discovery(app, base_folder, reporter);
  return app.python_setting.empty() ? discovery.discover() : discovery.from_setting();
}

}  // namespace cutwater::config
