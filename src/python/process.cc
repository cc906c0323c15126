#include "python/process.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

namespace cutwater::python {
namespace {

timespec to_timespec(int milliseconds) {
  return {milliseconds / 1000, milliseconds % 1000 * 1'000'000L};
}

// ---- the parent's end

// One that no program gives a meaning to; the C library counts the real-time signals from its own, so it is no
// constant.
int parent_signal() {
  return SIGRTMAX - 1;
}

struct Parent {
  int channel = -1;
  timer_t execution{};
  itimerspec after{};
  volatile sig_atomic_t ended = 0;
};
Parent parent;  // of the process: set before the handler

// The parent may have read this pipe: what still runs must not fail at a word for the log. A process that ends closes
// one descriptor after the other, the pipe perhaps a moment after the channel.
void leave_broken_pipe(int descriptor) {
  constexpr int kMoment = 100;  // milliseconds
  struct stat status;
  if (::fstat(descriptor, &status) != 0 || !S_ISFIFO(status.st_mode)) return;
  pollfd entry{descriptor, 0, 0};
  if (::poll(&entry, 1, kMoment) <= 0 || (entry.revents & POLLERR) == 0) return;
  const int null = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  if (null < 0) return;
  ::dup2(null, descriptor);
  ::close(null);
}

// The channel has something to say, or the parent has ended. A signal handler: nothing here takes a lock.
void look_after_parent(int) {
  int error = errno;
  pollfd entry{parent.channel, POLLRDHUP, 0};
  bool hung_up = ::poll(&entry, 1, 0) > 0 && (entry.revents & POLLNVAL) == 0;
  if (hung_up && parent.ended == 0) {
    parent.ended = 1;
    leave_broken_pipe(STDERR_FILENO);
    timer_settime(parent.execution, 0, &parent.after, nullptr);
  }
  errno = error;
}

bool signal_at_input(int descriptor, int signal) {
  int flags = ::fcntl(descriptor, F_GETFL);
  return flags >= 0 && ::fcntl(descriptor, F_SETOWN, ::getpid()) == 0 && ::fcntl(descriptor, F_SETSIG, signal) == 0 &&
         ::fcntl(descriptor, F_SETFL, flags | O_ASYNC) == 0;
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
  if (timer_create(CLOCK_MONOTONIC, &kill, &parent.execution) != 0) return false;
  parent.channel = channel;
  parent.after.it_value = to_timespec(milliseconds);
  struct sigaction action {};
  action.sa_handler = look_after_parent;
  action.sa_flags = SA_RESTART;
  sigfillset(&action.sa_mask);
  if (sigaction(parent_signal(), &action, nullptr) != 0) return false;
  bool told = signal_at_input(channel, parent_signal());
  told &= ::prctl(PR_SET_PDEATHSIG, static_cast<unsigned long>(parent_signal()), 0, 0, 0) == 0;
  look_after_parent(parent_signal());  // it may have ended before
  return told;
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
