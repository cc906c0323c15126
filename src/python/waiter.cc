#include "python/waiter.h"

#include <poll.h>

#include <array>
#include <cerrno>

#include "python/py_api.h"

namespace cutwater::python {
namespace {

constexpr short kGone = POLLERR | POLLHUP | POLLNVAL;

}  // namespace

Waiter::Woken Waiter::for_request() {
  Woken woken = Woken::kByLink;
  if (link_.prepare_to_sleep()) {
    // A stale descriptor may lie on a lane socket: only its end is of interest here.
    std::vector<pollfd> entries{{link_.wake_descriptor(), POLLIN, 0}, {control_, POLLIN, 0}, {signals_, POLLIN, 0}};
    for (uint32_t front = 0; front < fronts_; ++front) entries.push_back({link_.lane_socket(front), 0, 0});
    woken = sleep(entries, -1);
    if (woken == Woken::kByLink && ((entries.at(1).revents | entries.at(2).revents) & (POLLIN | kGone)) != 0) {
      woken = Woken::kByControl;
    }
    for (size_t index = 3; index < entries.size(); ++index) {
      if ((entries.at(index).revents & kGone) != 0) link_.check_fronts();
    }
  }
  link_.awake();
  return woken;
}

Waiter::Woken Waiter::for_frame(RequestChannel&, uint32_t front, For what, int milliseconds) {
  Woken woken = Woken::kByLink;
  if (link_.prepare_to_wait()) {
    std::vector<pollfd> entries{
        {link_.wake_descriptor(), POLLIN, 0},
        {link_.lane_socket(front), static_cast<short>(what == For::kDescriptor ? POLLIN : 0), 0}};
    woken = sleep(entries, milliseconds);
    if (woken == Woken::kByLink && (entries.at(1).revents & kGone) != 0) woken = Woken::kFrontGone;
  }
  link_.awake();
  return woken;
}

bool Waiter::control_pending() const {
  std::array<pollfd, 2> entries{pollfd{control_, POLLIN, 0}, pollfd{signals_, POLLIN, 0}};
  return ::poll(entries.data(), entries.size(), 0) > 0;
}

Waiter::Woken Waiter::sleep(std::vector<pollfd>& entries, int milliseconds) {
  int ready;
  int error;
  {
    GilRelease released;
    ready = ::poll(entries.data(), entries.size(), milliseconds);
    error = errno;
  }
  if (ready < 0 && error != EINTR) {
    errno = error;
    PyErr_SetFromErrno(PyExc_OSError);
    return Woken::kError;
  }
  if (ready < 0) return PyErr_CheckSignals() < 0 ? Woken::kError : Woken::kByLink;
  if ((entries.front().revents & kGone) != 0) {
    PyErr_SetString(PyExc_OSError, "the worker's own descriptors are closed: did the application close them?");
    return Woken::kError;
  }
  return Woken::kByLink;
}

}  // namespace cutwater::python
