// The user the front runs as when it was started as root: `front_user`, else cutwater, else nobody; never root and
// never the user of an app, a script or a pool, whose files and processes it would then own.
#pragma once

#include <optional>

#include "base/result.h"
#include "config/model.h"
#include "supervise/identity.h"

namespace cutwater::app {

// Who to become. The group www-data is added where it exists, so that files made for a web server can be read.
base::Result<supervise::Identity> choose_front_identity(const config::Config& config);

// The same for this server: nobody else, unless it was started as root, which another front_user needs.
base::Result<std::optional<supervise::Identity>> identity_of_fronts(const config::Config& config);

// The same at a reload, for fronts that run as `front` already and would go on beside what `config` says.
base::Result<void> check_front_identity(const std::optional<supervise::Identity>& front, const config::Config& config);

// Becomes that user for good (nobody else without one, when not started as root), and cannot be looked into by others
// of that user.
base::Result<void> drop_to_front_identity(const std::optional<supervise::Identity>& identity);

}  // namespace cutwater::app
