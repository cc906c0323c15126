// What the process environment and the flags say about the settings. Flags beat CUTWATER_*, which beats the file;
// PORT, WEB_CONCURRENCY, FORWARDED_ALLOW_IPS and SCRIPT_NAME only change defaults, so the file beats them.
#pragma once

#include <string>

#include "config/load.h"
#include "config/model.h"
#include "config/reporter.h"

namespace cutwater::config {

// The value of a variable; "" when it is unset or empty.
std::string environment_value(const char* name);

// The table's defaults, changed by the conventions of hosting platforms.
Listen default_listen(Reporter& reporter);
App default_app(Reporter& reporter);

// Variables and flags over what the file said, for every app and listener of `config`. `listen_defaults` is what an
// address given here starts from.
void apply_environment(const Overrides& overrides, const Listen& listen_defaults, Config& config, Reporter& reporter);

}  // namespace cutwater::config
