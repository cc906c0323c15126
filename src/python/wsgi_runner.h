// WsgiRunner: runs WSGI requests that were claimed, one at a time: builds the environ, calls the application, sends
// what it gives, lets the slot go. With the GIL but for its waits. A worker has one for each request that it may run
// at once.
#pragma once

#include <string>
#include <string_view>

#include "link/worker_link.h"
#include "message/request.h"
#include "python/environ.h"
#include "python/frame_wait.h"
#include "python/host.h"
#include "python/py_api.h"
#include "python/reply.h"
#include "python/request_body.h"
#include "python/request_channel.h"
#include "python/responder.h"

namespace cutwater::python {

struct WsgiTypes {
  PyObject* input = nullptr;
  PyObject* responder = nullptr;
  PyObject* file_wrapper = nullptr;
};

struct WsgiSetup {
  PyObject* application;
  PyObject* host;
  PyObject* errors;  // wsgi.errors
  int control;
  int signals;
  uint32_t fronts;
  HopByHop hop_by_hop;
  bool multithread;
};

// What all runners of a worker share, under the GIL.
struct WsgiService {
  // `link` outlives the service.
  WsgiService(const WsgiTypes& wsgi_types, const WsgiSetup& setup, link::WorkerLink& worker_link)
      : types(wsgi_types),
        application(PyRef::share(setup.application)),
        errors(PyRef::share(setup.errors)),
        host(setup.host),
        link(worker_link),
        hop_by_hop(setup.hop_by_hop),
        multithread(setup.multithread) {}

  WsgiTypes types;
  PyRef application;
  PyRef errors;
  Host host;
  link::WorkerLink& link;
  HopByHop hop_by_hop;
  bool multithread;
  // Why the worker shall end ("retired", "system_exit", what Host::control() said); "": it goes on.
  std::string end_reason;
  bool warned_of_dropped_body = false;
  bool warned_of_body_for_head = false;
  bool warned_of_dropped_field = false;
};

class WsgiRunner {
 public:
  WsgiRunner(WsgiService& service, FrameWait& waiter);

  // Once, before the first request. False with a Python exception.
  bool prepare();
  // Takes a request out of a queue; false: there is none for this worker. Then run() is to follow.
  bool claim(base::Instant now = base::monotonic_now());
  void run();
  RequestChannel& channel() { return channel_; }

 private:
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
  void note_dropped_body();
  // Ends the process when it is a child that the application forked.
  void leave_if_child();

  WsgiService& service_;
  PyRef input_;
  PyRef data_input_;  // while a FastCGI filter's request runs
  RequestChannel channel_;
  RequestBody body_;
  RequestBody data_;
  Reply reply_;
  Responder responder_;
  EnvironBuilder environ_;

  link::Claim claim_;
  message::Request request_;
  link::RequestExtras extras_;
  std::string method_;  // of the running request, for the log: the slot may be gone by then
  std::string path_;
  std::string joined_;
  bool sends_file_ = false;  // the running request's result is a file wrapper
};

}  // namespace cutwater::python
