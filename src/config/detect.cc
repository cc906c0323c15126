#include "config/detect.h"

#include "config/project_files.h"

namespace cutwater::config {

std::optional<Detected> detect_app(const std::string& folder, Reporter& reporter) {
  reporter.error("CW0301", "no app found in " + shown_path(folder));
  return std::nullopt;
}

Detected app_of_file(const std::string& path, const std::string& attribute) {
  Detected found;
  found.root = absolute_path(path, "..");
  found.target = path.substr(found.root.size() + 1) + ":" + (attribute.empty() ? "application" : attribute);
  found.why = "named as TARGET";
  return found;
}

}  // namespace cutwater::config
