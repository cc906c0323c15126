#include "config/module_place.h"

#include <algorithm>

#include "config/detect_steps.h"
#include "config/project_files.h"
#include "config/target.h"

namespace cutwater::config {
namespace {

std::string parent_of(const std::string& path) {
  return path.substr(0, std::max<size_t>(path.rfind('/'), 1));
}
std::string name_of(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

// True when the file says "import models" and means the models.py beside it.
bool imports_neighbours(const std::string& folder, const std::string& project, const PythonModule& content) {
  return std::any_of(content.imports.begin(), content.imports.end(), [&](const std::string& module) {
    std::string first = module.substr(0, module.find('.'));
    return !module_file(folder, first).empty() && module_file(project, first).empty();
  });
}

}  // namespace

ModulePlace place_module(const std::string& path, const std::string& project, const PythonModule& content) {
  std::string module = name_of(path).substr(0, name_of(path).rfind('.'));
  std::string folder = parent_of(path);
  if (module.find('.') != std::string::npos) return {folder, ""};  // "app.v2.py": an import would look for app/v2.py
  bool is_package = module == "__init__";
  if (is_package) {
    module = name_of(folder);
    folder = parent_of(folder);
  }
  bool is_dotted = false;  // by a folder that no import can name: the dot would be another folder
  auto climb = [&] {
    is_dotted |= name_of(folder).find('.') != std::string::npos;
    module = name_of(folder) + "." + module;
    folder = parent_of(folder);
  };
  const auto is_package_folder = [&] {
    return is_file(folder + "/__init__.py") && name_of(folder).find('.') == std::string::npos;
  };
  if (folder == project && content.has_relative_imports && is_package_folder()) climb();
  while (folder != project && folder != "/" && is_package_folder()) climb();
  bool below = !project.empty() && folder.starts_with(project + "/");
  if (below && !is_package && module.find('.') == std::string::npos && !imports_neighbours(folder, project, content)) {
    while (folder != project) climb();
    if (is_dotted || !is_module_name(module)) {  // a folder such as "my-app" or "example.com" is no package
      module = name_of(path).substr(0, name_of(path).rfind('.'));
      folder = parent_of(path);
    }
  }
  return {folder, is_module_name(module) ? module : ""};
}

}  // namespace cutwater::config
