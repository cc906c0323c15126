#include "app/spawner.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>

#include "control/messages.h"

namespace cutwater::app {

int run_spawner(control::Channel master, SocketFiles& sockets) {
  prctl(PR_SET_NAME, "cutwater-spawn");
  prctl(PR_SET_DUMPABLE, 0);
  // SIGTERM too: it comes at the master's death as well (PR_SET_PDEATHSIG), and then there is something left to do.
  for (int ignored : {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGPIPE}) signal(ignored, SIG_IGN);
  while (true) {
    pollfd ready{master.descriptor(), POLLIN, 0};
    if (poll(&ready, 1, -1) < 0 && errno != EINTR) return 1;
    control::Message message;
    switch (master.receive(message)) {
      case control::Channel::Outcome::kClosed:
        if (!master.error().empty()) return 1;
        sockets.remove();
        return 0;
      case control::Channel::Outcome::kNothing:
        break;
      case control::Channel::Outcome::kNoRoom:
        return 1;  // the spawner is sent no descriptors
      case control::Channel::Outcome::kMessage:
        if (message.type() == control::Quit::kType) return 0;
        break;
    }
  }
}

}  // namespace cutwater::app
