#include "python/wsgi_worker.h"

namespace cutwater::python {
namespace {

// Under load the worker never sleeps: then the master's channel is looked at this often.
constexpr base::Duration kControlInterval = std::chrono::milliseconds(50);

}  // namespace

WsgiWorker::WsgiWorker(const WsgiTypes& types, const WsgiSetup& setup, link::WorkerLink& link)
    : service_(types, setup, link),
      link_(link),
      waiter_(link_, setup.fronts, setup.control, setup.signals),
      runner_(service_, waiter_) {}

bool WsgiWorker::serve(std::string& reason) {
  if (!runner_.prepare()) return false;
  // The clock is read once for each request: it takes longer than most of what is done beside the call.
  base::Instant now = base::monotonic_now();
  while (!shall_end(now)) {
    if (runner_.claim(now)) {
      runner_.run();
      now = base::monotonic_now();
      link_.wake_fronts_after_call(now);
      continue;
    }
    link_.wake_fronts();
    if (idle() == Step::kError) return false;
    now = base::monotonic_now();
  }
  link_.wake_fronts();
  reason = service_.end_reason;
  return true;
}

bool WsgiWorker::shall_end(base::Instant& now) {
  runner_.channel().still_wanted();
  if (!service_.end_reason.empty()) return true;
  if (link_.retired()) {
    service_.end_reason = "retired";
    return true;
  }
  if (now - control_checked_ < kControlInterval) return false;
  control_checked_ = now;
  if (!waiter_.control_pending()) return false;
  const bool ends = service_.host.control(service_.end_reason);
  now = base::monotonic_now();
  return ends;
}

WsgiWorker::Step WsgiWorker::idle() {
  Waiter::Woken woken = waiter_.for_request();
  if (woken == Waiter::Woken::kError) {
    // A signal handler of the application may raise, as sys.exit() in a handler of SIGTERM does.
    bool exits = PyErr_ExceptionMatches(PyExc_SystemExit) != 0 || PyErr_ExceptionMatches(PyExc_KeyboardInterrupt) != 0;
    if (!exits) return Step::kError;
    PyErr_Clear();
    service_.end_reason = "system_exit";
    return Step::kEnd;
  }
  if (woken == Waiter::Woken::kByControl && service_.host.control(service_.end_reason)) return Step::kEnd;
  return Step::kGoOn;
}

}  // namespace cutwater::python
