// The spawner process: started before any byte of the network is read, it keeps the rights that starting
// other people's programs needs. It takes only names of configured entries; in this version there are none,
// so it waits for its end. When the master is gone without one, it removes the socket files: nobody else has
// the right to.
#pragma once

#include "app/socket_files.h"
#include "control/channel.h"

namespace cutwater::app {

// Serves until the master says `quit` or is gone. Returns the exit code.
int run_spawner(control::Channel master, SocketFiles& sockets);

}  // namespace cutwater::app
