#include "config/virtual_environment.h"

#include <unistd.h>

#include <filesystem>

#include "base/text.h"
#include "config/project_files.h"
#include "config/value.h"

namespace cutwater::config {
namespace {

// A value of pyvenv.cfg ("home = /usr/bin").
std::string venv_value(const std::string& folder, std::string_view wanted) {
  auto text = read_text_file(folder + "/pyvenv.cfg");
  if (!text) return "";
  for (const std::string& line : split_list(*text, '\n')) {
    size_t equals = line.find('=');
    if (equals == std::string::npos) continue;
    if (base::trim_whitespace(std::string_view(line).substr(0, equals)) == wanted) {
      std::string value(base::trim_whitespace(std::string_view(line).substr(equals + 1)));
      while (value.ends_with('\r')) value.pop_back();
      return value;
    }
  }
  return "";
}

std::string repair_command(const std::string& folder, const std::string& project) {
  if (is_file(project + "/uv.lock")) return "uv venv --clear && uv sync";
  std::string shown = shown_path(folder);
  std::string command = "python3 -m venv --clear " + shown;
  if (is_file(project + "/requirements.txt")) command += " && " + shown + "/bin/pip install -r requirements.txt";
  return command;
}

}  // namespace

bool is_environment(const std::string& folder) {
  std::error_code ignored;
  return is_file(folder + "/pyvenv.cfg") || std::filesystem::exists(folder + "/bin/python", ignored);
}

std::string environment_version(const std::string& folder) {
  std::string version = venv_value(folder, "version");                    // venv
  return version.empty() ? venv_value(folder, "version_info") : version;  // virtualenv, uv
}

bool is_too_old(const std::string& version) {
  TextList parts = split_list(version, '.');
  if (parts.size() < 2) return false;
  auto major = base::parse_decimal(parts[0]);
  auto minor = base::parse_decimal(parts[1]);
  return major && minor && (*major < 3 || (*major == 3 && *minor < 9));
}

std::optional<std::string> environment_python(const std::string& folder, const std::string& project,
                                              Reporter& reporter) {
  for (const char* name : {"/bin/python", "/bin/python3"}) {
    std::string path = folder + name;
    if (!is_file(path) || ::access(path.c_str(), X_OK) != 0) continue;
    std::string version = environment_version(folder);
    if (!is_too_old(version)) return path;
    reporter.error("CW0204", shown_path(folder) + " has Python " + version +
                                 "; Cutwater needs 3.9 or newer\n  fix: "
                                 "make it with a newer Python: " +
                                 repair_command(folder, project));
    return std::nullopt;
  }
  std::string home = venv_value(folder, "home");
  std::string why = "it has no bin/python";
  if (!home.empty() && !is_folder(home)) {
    why = "made with " + home + ", which no longer exists";
  } else if (!home.empty()) {
    why = "made with the Python in " + home + ", which is gone or cannot be run";
  }
  reporter.error("CW0203", folder + " is broken: " + why + "\n  fix: " + repair_command(folder, project));
  return std::nullopt;
}

}  // namespace cutwater::config
