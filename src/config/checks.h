// What can only be judged when file, environment and flags are put together.
#pragma once

#include <string>

#include "config/model.h"
#include "config/reporter.h"

namespace cutwater::config {

// Where the app's setting, else its section, is written.
Place place_of(const App& app, const std::string& key);

// Whether a [[site.route]] leads to it.
bool is_routed(const Config& config, const App& app);

// Folders that are not there, two listeners on one address, two apps on one prefix, listeners of a gateway protocol
// that nobody in particular may use.
void check_config(const Config& config, Reporter& reporter);

// What is wrong when other machines can connect to `address`, by a gateway protocol, and none of them is trusted; or
// "".
std::string trust_problem(const Listen& listen, const std::string& address);

// As root, a warning when users other than root may write `file`.
void check_file_permissions(const std::string& file, Reporter& reporter);

}  // namespace cutwater::config
