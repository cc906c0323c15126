// The front process: everything that touches the network. Runs in a child the master forked; returns its exit code.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/file_descriptor.h"
#include "config/model.h"
#include "control/channel.h"
#include "supervise/identity.h"

namespace cutwater::app {

struct FrontStart {
  const config::Config& config;
  const std::optional<supervise::Identity>& identity;  // who to become; none: whoever started us
  unsigned index = 0;                                  // which of the fronts
  control::Channel master;
  std::vector<base::FileDescriptor> listening;     // in the order of config.listens; shared by all fronts
  std::vector<base::FileDescriptor> static_roots;  // as Sockets::static_roots() says
  std::string instance;                            // make_instance_name(), the same for all fronts of a master
};

// Drops to the front's user (when root), serves until the master says stop or is gone. One that cannot serve says why
// and gives kRuntimeFailure or kUsage (config/exit_codes.h).
int run_front(FrontStart start);

}  // namespace cutwater::app
