// PortHolder: which process has the address that could not be listened on, as far as /proc tells this user.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "app/master.h"

namespace cutwater::app {

struct PortHolder {
  pid_t pid = 0;
  std::string name;  // of its program
};

// nullopt: nobody, or a process of another user, whose descriptors only root may look at.
std::optional<PortHolder> find_port_holder(const std::string& address);

// "\n<who> has it\nfix: ...", to go behind the message that an address is taken.
std::string taken_by(const PortHolder& holder);

// Whether it is a cutwater that was started for the same configuration file, folder or target as `request`.
bool serves_the_same(const PortHolder& holder, const ServeRequest& request);

}  // namespace cutwater::app
