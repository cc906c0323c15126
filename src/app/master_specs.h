// From the configuration of an app to what supervision needs: who runs it, how many workers, where our
// library is.
#pragma once

#include <string>

#include "base/log.h"
#include "base/result.h"
#include "config/model.h"
#include "supervise/app_spec.h"

namespace cutwater::app {

// The folder with the `cutwater` package and the extension: $CUTWATER_LIBRARY, else `library` beside the
// executable.
base::Result<std::string> find_library();

// Warns on `log` when the app will run as root, unless it does by `before` already, which this one replaces. The error
// names the user that cannot be used.
base::Result<supervise::AppSpec> make_app_spec(const config::App& app, const std::string& library, base::LogSink& log,
                                               const supervise::AppSpec* before = nullptr);

// What the master needs for its spawner and its fronts.
unsigned descriptors_beside_apps(unsigned fronts);

}  // namespace cutwater::app
