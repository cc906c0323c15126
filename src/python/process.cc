#include "python/process.h"

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

// ---- the parent's end

// One that no program gives a meaning to; the C library counts the real-time signals from its own, so it is no constant.
int parent_ended_signal() {
  return SIGRTMAX - 1;
}

struct Execution {
  timer_t timer{};
  itimerspec after{};
};
Execution execution;  // of the process: set before the handler

void on_parent_ended(int) {
  int error = errno;
  timer_settime(execution.timer, 0, &execution.after, nullptr);
  errno = error;
}

timespec to_timespec(int milliseconds) {
  return {milliseconds / 1000, milliseconds % 1000 * 1'000'000L};
}

bool has_ended(int channel) {
  pollfd entry{channel, POLLRDHUP, 0};
  return ::poll(&entry, 1, 0) > 0;
}

// ---- a deadline for the exit

struct Deadline {
  int milliseconds;
  int status;
};

void* wait_and_exit(void* argument) {
  std::unique_ptr<Deadline> deadline(static_cast<Deadline*>(argument));
  timespec pause = to_timespec(deadline->milliseconds);
  while (::nanosleep(&pause, &pause) < 0 && errno == EINTR) {
  }
  ::_exit(deadline->status);
}

}  // namespace

void set_process_name(const char* name) {
  ::prctl(PR_SET_NAME, name, 0, 0, 0);
}

bool end_with_parent(int channel, int milliseconds) {
  sigevent kill{};
  kill.sigev_notify = SIGEV_SIGNAL;
  kill.sigev_signo = SIGKILL;
  if (timer_create(CLOCK_MONOTONIC, &kill, &execution.timer) != 0) return false;
  execution.after.it_value = to_timespec(milliseconds);
  struct sigaction action{};
  action.sa_handler = on_parent_ended;
  action.sa_flags = SA_RESTART;
  sigfillset(&action.sa_mask);
  if (sigaction(parent_ended_signal(), &action, nullptr) != 0) return false;
  if (::prctl(PR_SET_PDEATHSIG, static_cast<unsigned long>(parent_ended_signal()), 0, 0, 0) != 0) return false;
  if (has_ended(channel)) on_parent_ended(parent_ended_signal());  // before it could be told
  return true;
}

// A detached thread without signals (those are for Python's main thread) that never touches Python.
bool exit_within(int milliseconds, int status) {
  auto deadline = std::make_unique<Deadline>(Deadline{milliseconds, status});
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&attributes, 64 * 1024);
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  int error = pthread_create(&thread, &attributes, wait_and_exit, deadline.get());
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  if (error != 0) {
    errno = error;
    return false;
  }
  static_cast<void>(deadline.release());
  return true;
}

}  // namespace cutwater::python
