#include "app/master_specs.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "supervise/cpu_count.h"

namespace cutwater::app {
namespace {

constexpr unsigned kFewestAutomaticWorkers = 2;
constexpr unsigned kMostAutomaticWorkers = 60;

unsigned worker_count(const config::App& app) {
  if (app.workers > 0) return app.workers;
  return std::clamp(supervise::usable_cpus(), kFewestAutomaticWorkers, kMostAutomaticWorkers);
}

// nullopt: as ourselves.
base::Result<std::optional<supervise::Identity>> identity_of(const config::App& app, base::LogSink& log) {
  if (!supervise::running_as_root()) {
    const supervise::Identity self = supervise::current_identity();
    if (!app.user.empty() && app.user != self.name && app.user != std::to_string(self.user)) {
      return base::Error{
          fmt::format("app.{}.user = \"{}\" needs cutwater to be started as root; it runs as {}", app.name,
                      app.user, self.name)};
    }
    return std::optional<supervise::Identity>();
  }
  auto identity =
      app.user.empty() ? supervise::identity_of_owner(app.root) : supervise::find_identity(app.user);
  if (!identity) return base::Error{fmt::format("app.{}.user: {}", app.name, identity.error().message)};
  if (identity->user == 0) {
    log.warning("CW0804", fmt::format("{}: the app runs as root, because root owns {}\n"
                                      "fix: set app.{}.user, or give the folder to another user",
                                      app.name, app.root, app.name));
  }
  return std::optional<supervise::Identity>(std::move(*identity));
}

}  // namespace

base::Result<std::string> find_library() {
  namespace fs = std::filesystem;
  std::error_code error;
  std::string library;
  if (const char* set = getenv("CUTWATER_LIBRARY"); set != nullptr && *set != '\0') {
    library = fs::absolute(set, error).native();
  } else {
    library = (fs::read_symlink("/proc/self/exe", error).parent_path() / "library").native();
  }
  if (fs::is_directory(fs::path(library) / "cutwater", error)) return library;
  return base::Error{"the library folder " + library + " is missing or has no package cutwater"};
}

base::Result<supervise::AppSpec> make_app_spec(const config::App& app, const std::string& library,
                                               base::LogSink& log) {
  auto identity = identity_of(app, log);
  if (!identity) return identity.error();
  supervise::AppSpec spec;
  spec.name = app.name;
  spec.root = app.root;
  spec.target = app.target;
  spec.protocol = app.protocol;
  spec.python = app.python;
  spec.library = library;
  spec.preload = app.preload;
  spec.watch = app.watch;
  spec.prefix = app.prefix;
  spec.hop_by_hop = app.hop_by_hop;
  spec.environment = app.environment;
  spec.identity = std::move(*identity);
  spec.timeout = app.timeout;
  spec.grace = app.grace;
  spec.start_timeout = app.start_timeout;
  spec.queue_timeout = app.queue_timeout;
  spec.queue = app.queue;
  spec.workers = worker_count(app);
  return spec;
}

}  // namespace cutwater::app
