#include "python/process.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

namespace cutwater::python {
namespace {

struct Deadline {
  int socket;  // -1: counts from now
  int milliseconds;
  int status;
};

void* wait_and_exit(void* argument) {
  std::unique_ptr<Deadline> deadline(static_cast<Deadline*>(argument));
  if (deadline->socket >= 0) {
    pollfd entry{deadline->socket, POLLRDHUP, 0};
    while (::poll(&entry, 1, -1) < 0 && errno == EINTR) {
    }
    // The application closed what is not its own: nothing can be watched any more, and the loop ends by
    // itself.
    if ((entry.revents & POLLNVAL) != 0) return nullptr;
  }
  timespec pause{deadline->milliseconds / 1000, deadline->milliseconds % 1000 * 1'000'000L};
  while (::nanosleep(&pause, &pause) < 0 && errno == EINTR) {
  }
  ::_exit(deadline->status);
}

// A detached thread without signals (those are for Python's main thread) that never touches Python.
bool start(Deadline deadline) {
  auto owned = std::make_unique<Deadline>(deadline);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&attributes, 64 * 1024);
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  int error = pthread_create(&thread, &attributes, wait_and_exit, owned.get());
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  if (error != 0) {
    errno = error;
    return false;
  }
  static_cast<void>(owned.release());
  return true;
}

}  // namespace

bool set_parent_death_signal(int signal) {
  return ::prctl(PR_SET_PDEATHSIG, static_cast<unsigned long>(signal), 0, 0, 0) == 0;
}

bool exit_after_hangup(int socket, int milliseconds, int status) {
  int own = ::fcntl(socket, F_DUPFD_CLOEXEC, 3);
  if (own < 0) return false;
  if (start({own, milliseconds, status})) return true;
  int error = errno;
  ::close(own);
  errno = error;
  return false;
}

bool exit_within(int milliseconds, int status) {
  return start({-1, milliseconds, status});
}

}  // namespace cutwater::python
