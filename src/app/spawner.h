// The spawner process: started before any byte of the network is read, it keeps the rights that starting other people's
// programs needs. It takes only numbers of configured entries from the fronts, each by a channel of its own. When the
// master is gone without an end, it removes the socket files: nobody else has the right to.
#pragma once

#include <optional>
#include <vector>

#include "app/socket_files.h"
#include "control/channel.h"
#include "supervise/pool_start.h"
#include "supervise/script_start.h"

namespace cutwater::app {

struct SpawnerStart {
  control::Channel master;
  SocketFiles& sockets;
  std::vector<supervise::ScriptEntry> scripts;
  std::vector<supervise::PoolEntry> pools;
  std::optional<uid_t> front_user;  // who must run none of them; as root
  std::string library;              // the folder with the package `cutwater`, for warm Pythons; "": there are none
};

// Serves until the master says `quit` or is gone. Returns the exit code.
int run_spawner(SpawnerStart start);

}  // namespace cutwater::app
