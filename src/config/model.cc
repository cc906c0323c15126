#include "config/model.h"

namespace cutwater::config {

std::vector<NamedRoot> sendfile_folders(const Config& config) {
  std::vector<NamedRoot> found;
  const auto add = [&found](const FolderMap& folders, const std::string& owner) {
    for (const auto& [prefix, root] : folders) found.push_back({"sendfile \"" + prefix + "\" of " + owner, root});
  };
  for (const Route& route : config.routes) add(route.proxy.sendfile, "the route " + route.path);
  for (const App& app : config.apps) add(app.sendfile, "app." + app.name);
  return found;
}

}  // namespace cutwater::config
