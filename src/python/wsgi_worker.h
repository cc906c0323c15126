// WsgiWorker: the loop of one WSGI worker: claim a request, build its environ, call the application, send
// what it gives, let the slot go. Runs in the thread that calls serve(), with the GIL but for its waits.
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"
#include "link/worker_link.h"
#include "message/request.h"
#include "python/environ.h"
#include "python/host.h"
#include "python/py_api.h"
#include "python/reply.h"
#include "python/request_body.h"
#include "python/request_channel.h"
#include "python/responder.h"
#include "python/waiter.h"

namespace cutwater::python {

struct WsgiTypes {
  PyObject* input = nullptr;
  PyObject* responder = nullptr;
  PyObject* file_wrapper = nullptr;
};

class WsgiWorker {
 public:
  struct Setup {
    PyObject* application;
    PyObject* host;
    PyObject* errors;  // wsgi.errors
    int control;
    int signals;
    uint32_t fronts;
    HopByHop hop_by_hop;
  };
  // `link` outlives the worker.
  WsgiWorker(const WsgiTypes& types, const Setup& setup, link::WorkerLink& link);

  // Until the worker shall end; `reason` says why ("retired", "system_exit", what Host::control() said).
  // False with a Python exception.
  bool serve(std::string& reason);

 private:
  enum class Step { kGoOn, kEnd, kError };
  Step idle();
  bool shall_end();

  void run_request();
  void begin_body();
  bool prepare_input();
  bool add_data(PyObject* environ);
  PyRef call_application();
  // kError: a Python exception is set.
  SendOutcome respond(PyObject* result);
  SendOutcome respond_with_sequence(PyObject* sequence);
  SendOutcome respond_with_blocks(PyObject* result);
  SendOutcome respond_with_file(PyObject* wrapper, bool& sent);
  bool check_block(PyObject* block);
  void close(PyObject* result);
  void detach_request();
  void failed(std::string_view what, bool abort);
  void log_reply();
  // Ends the process when it is a child that the application forked.
  void leave_if_child();

  WsgiTypes types_;
  PyRef application_;
  PyRef input_;
  PyRef data_input_;  // while a FastCGI filter's request runs
  Host host_;
  link::WorkerLink& link_;
  Waiter waiter_;
  RequestChannel channel_;
  RequestBody body_;
  RequestBody data_;
  Reply reply_;
  Responder responder_;
  EnvironBuilder environ_;
  PyRef errors_;

  link::Claim claim_;
  message::Request request_;
  link::RequestExtras extras_;
  std::string method_;  // of the running request, for the log: the slot may be gone by then
  std::string path_;
  std::string joined_;
  std::string end_reason_;
  base::Instant control_checked_;
  bool sends_file_ = false;  // the running request's result is a file wrapper
  bool warned_of_dropped_body_ = false;
  bool warned_of_dropped_field_ = false;
};

}  // namespace cutwater::python
