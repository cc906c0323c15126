// The master process: binds, starts, watches and replaces everything else. Never runs app code, never parses a byte
// from the network.
#pragma once

#include <functional>
#include <string>

#include "base/log.h"
#include "config/load.h"

namespace cutwater::app {

// What `serve` was asked for: kept to read the configuration again at each HUP.
struct ServeRequest {
  std::string target;
  config::Overrides overrides;
};

// Serves in the foreground until told to stop. Returns the exit code: 0, 1 (runtime failure), 3 (an app failed to
// boot), 4 (app object not found).
int run_master(const ServeRequest& request, config::Loaded loaded);

// `check`: imports every app in its own interpreter, tries ports and folders. What is wrong goes to `log`, what is
// right to `say`, line by line. Returns 0, 1, 2, 3 or 4.
int run_check(const ServeRequest& request, const config::Loaded& loaded, base::LogSink& log,
              const std::function<void(const std::string& line)>& say);

}  // namespace cutwater::app
