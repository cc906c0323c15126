#include "python/thread_team.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>

#include "python/gil_wait.h"

namespace cutwater::python {

ThreadTeam::ThreadTeam(const WsgiTypes& types, const WsgiSetup& setup, const Size& size, link::WorkerLink& link)
    : service_(types, setup, link),
      link_(link),
      fronts_(setup.fronts),
      control_(setup.control),
      signals_(setup.signals),
      most_(size.most),
      switch_interval_(size.switch_interval) {}

ThreadTeam::~ThreadTeam() = default;

bool ThreadTeam::serve(std::string& reason) {
  if (!main_.make()) return PyErr_SetFromErrno(PyExc_OSError) != nullptr;
  if (!start_member() && !failure_) PyErr_SetString(PyExc_RuntimeError, "no thread could be started");
  if (PyErr_Occurred() != nullptr) return false;
  attend();
  wait_for_members();
  if (is_over()) service_.host.join_threads();
  link_.wake_fronts();
  if (failure_) {
    PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(failure_.get())), failure_.get());
    return false;
  }
  reason = service_.end_reason;
  return true;
}

// ---- the main thread

void ThreadTeam::attend() {
  while (!ending_) {
    pollfd entries[] = {{main_.kick.get(), POLLIN, 0}, {control_, POLLIN, 0}, {signals_, POLLIN, 0}};
    without_gil([&] { ::poll(entries, 3, -1); });
    if ((entries[0].revents & (POLLERR | POLLHUP | POLLNVAL)) != 0) return broken_by_closing();
    main_.clear();
    if (PyErr_CheckSignals() < 0) {
      // A signal handler of the application may raise, as sys.exit() in a handler of SIGTERM does.
      const bool exits = PyErr_ExceptionMatches(PyExc_SystemExit) || PyErr_ExceptionMatches(PyExc_KeyboardInterrupt);
      if (!exits) return broken();
      PyErr_Clear();
      return end("system_exit");
    }
    std::string reason;
    const bool spoken_to = entries[1].revents != 0 || entries[2].revents != 0;
    if (spoken_to && service_.host.control(reason)) end(reason);
  }
}

// Whoever runs a request finishes it; how long that may take is the master's to decide.
void ThreadTeam::wait_for_members() {
  while (alive_ > 0) {
    pollfd entries[] = {{main_.kick.get(), POLLIN, 0}, {signals_, POLLIN, 0}};
    without_gil([&] { ::poll(entries, 2, -1); });
    main_.clear();
    std::string ignored;
    if (PyErr_CheckSignals() < 0) PyErr_Clear();
    if ((entries[0].revents & POLLNVAL) != 0) return;
    if (entries[1].revents != 0) service_.host.control(ignored);
  }
}

void ThreadTeam::end(const std::string& reason) {
  if (service_.end_reason.empty()) service_.end_reason = reason;
  const bool first = !std::exchange(ending_, true);
  for (auto& member : members_) call_up(*member);
  main_.wake();
  if (first) service_.host.ending(service_.end_reason);
}

// With a Python exception set.
void ThreadTeam::broken() {
  PyRef raised = take_exception();
  if (!failure_) failure_ = std::move(raised);
  end("broken");
  pthread_kill(main_thread_, SIGINT);  // its own descriptor may be closed; nothing else comes of this signal
}

void ThreadTeam::call_up(Member& member) {
  member.called.store(true);
  member.sleeper.wake();
}

// ---- a member

// May give the GIL up. False: it cannot be; then there will be no more than there are.
bool ThreadTeam::start_member() {
  static PyMethodDef definition = {"run_requests", run_member, METH_NOARGS, nullptr};
  auto owned = std::make_unique<Member>(*this, service_);
  Member& member = *owned;
  const bool made = member.sleeper.make() && member.runner.prepare();
  PyRef capsule = made ? PyRef::steal(PyCapsule_New(&member, nullptr, nullptr)) : PyRef();
  PyRef run = capsule ? PyRef::steal(PyCFunction_NewEx(&definition, capsule.get(), nullptr)) : PyRef();
  members_.push_back(std::move(owned));
  ++alive_;
  if (run && service_.host.start_thread(run.get(), ++started_)) return true;
  PyErr_Clear();
  most_ = members_.size();
  if (member.life == Member::Life::kRuns) return true;
  // Thread.start() may have raised when the thread was there already: then this is what it finds.
  member.life = Member::Life::kGivenUp;
  --alive_;
  return false;
}

PyObject* ThreadTeam::run_member(PyObject* capsule, PyObject*) {
  auto& member = *static_cast<Member*>(PyCapsule_GetPointer(capsule, nullptr));
  if (member.life == Member::Life::kGivenUp) Py_RETURN_NONE;
  member.life = Member::Life::kRuns;
  member.clock = own_processor_clock();
  member.team.run(member);
  Py_RETURN_NONE;
}

void ThreadTeam::run(Member& me) {
  while (!ending_) {
    if (leader_ == nullptr) leader_ = &me;
    if (leader_ == &me) {
      lead(me);
    } else {
      follow(me);
    }
  }
  if (leader_ == &me) leader_ = nullptr;
  pass_lookout();
  --alive_;
  main_.wake();
}

// ---- sleepers

bool ThreadTeam::Sleeper::make() {
  kick.reset(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  return kick.valid();
}

void ThreadTeam::Sleeper::wake() const {
  const uint64_t one = 1;
  [[maybe_unused]] ssize_t written = write(kick.get(), &one, sizeof one);
}

void ThreadTeam::Sleeper::clear() const {
  uint64_t count;
  [[maybe_unused]] ssize_t taken = read(kick.get(), &count, sizeof count);
}

}  // namespace cutwater::python
