#include "app/master_specs.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "supervise/cpu_count.h"
#include "supervise/generation.h"

namespace cutwater::app {
namespace {

constexpr unsigned kFewestAutomaticWorkers = 2;
constexpr unsigned kMostAutomaticThreads = 64;

unsigned worker_count(const config::App& app, base::LogSink& log) {
  constexpr unsigned kMost = supervise::Generation::kMostWorkers;
  if (app.workers == 0) return std::clamp(supervise::usable_cpus(), kFewestAutomaticWorkers, kMost);
  if (app.workers <= kMost) return app.workers;
  log.warning("CW0527", fmt::format("{}: {} workers are the most there can be; {} were asked for\n"
                                    "fix: lower app.{}.workers",
                                    app.name, kMost, app.workers, app.name));
  return kMost;
}

// nullopt: as ourselves.
base::Result<std::optional<supervise::Identity>> identity_of(const config::App& app) {
  if (!supervise::running_as_root()) {
    const supervise::Identity self = supervise::current_identity();
    if (!app.user.empty() && app.user != self.name && app.user != std::to_string(self.user)) {
      return base::Error{
          fmt::format("app.{}.user = \"{}\" needs cutwater to be started as root; it runs as {}\n"
                      "fix: remove the setting, or start cutwater as root",
                      app.name, app.user, self.name)};
    }
    return std::optional<supervise::Identity>();
  }
  auto identity = app.user.empty() ? supervise::identity_of_owner(app.root) : supervise::find_identity(app.user);
  if (!identity) {
    return base::Error{fmt::format("app.{}.user: {}\nfix: correct app.{}.user, or make that user", app.name,
                                   identity.error().message, app.name)};
  }
  return std::optional<supervise::Identity>(std::move(*identity));
}

bool runs_as_root(const supervise::AppSpec& spec) {
  return spec.identity && spec.identity->user == 0;
}

void warn_of_root(const config::App& app, base::LogSink& log) {
  const bool by_folder = app.user.empty();
  const std::string why = by_folder ? "root owns " + app.root : "its user setting says so";
  const char* how = by_folder ? ", or give the folder to another user" : " to another one";
  log.warning("CW0804", fmt::format("{}: the app runs as root, because {}\nfix: set app.{}.user{}", app.name, why,
                                    app.name, how));
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
  return base::Error{"the library folder " + library +
                     " is missing or has no package cutwater\n"
                     "fix: install Cutwater again, or build it: ./run"};
}

base::Result<supervise::AppSpec> make_app_spec(const config::App& app, const std::string& library, base::LogSink& log,
                                               const supervise::AppSpec* before) {
  auto identity = identity_of(app);
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
  spec.loop = app.loop;
  spec.lifespan = app.lifespan;
  spec.on_disconnect = app.on_disconnect;
  spec.concurrency = app.concurrency;
  spec.websocket_origins = app.websocket_origins;
  spec.environment = app.environment;
  spec.identity = std::move(*identity);
  spec.timeout = app.timeout;
  spec.grace = app.grace;
  spec.start_timeout = app.start_timeout;
  spec.queue_timeout = app.queue_timeout;
  spec.queue = app.queue;
  spec.workers = worker_count(app, log);
  spec.threads = app.threads == 0 ? kMostAutomaticThreads : app.threads;
  if (runs_as_root(spec) && !(before && runs_as_root(*before))) warn_of_root(app, log);
  return spec;
}

unsigned descriptors_beside_apps(unsigned fronts) {
  constexpr unsigned kOfSpawner = 2;    // channel, pidfd
  constexpr unsigned kOfEachFront = 3;  // and its way to the spawner, while it is told
  return kOfSpawner + kOfEachFront * fronts;
}

}  // namespace cutwater::app
