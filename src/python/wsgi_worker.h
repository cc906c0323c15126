// WsgiWorker: the loop of a WSGI worker that runs one request at a time, in the thread that calls serve(), with the
// GIL but for its waits.
#pragma once

#include <string>

#include "base/clock.h"
#include "link/worker_link.h"
#include "python/waiter.h"
#include "python/wsgi_runner.h"

namespace cutwater::python {

class WsgiWorker {
 public:
  // `link` outlives the worker.
  WsgiWorker(const WsgiTypes& types, const WsgiSetup& setup, link::WorkerLink& link);

  // Until the worker shall end; `reason` says why ("retired", "system_exit", what Host::control() said).
  // False with a Python exception.
  bool serve(std::string& reason);

 private:
  enum class Step { kGoOn, kEnd, kError };
  Step idle();
  bool shall_end(base::Instant& now);

  WsgiService service_;
  link::WorkerLink& link_;
  Waiter waiter_;
  WsgiRunner runner_;
  base::Instant control_checked_;
};

}  // namespace cutwater::python
