// AsgiWorker: the link of one worker beside the event loop of its application. The host loop (asyncio, uvloop, any that
// can watch a descriptor) calls turn() when the lane's eventfd is readable; turn() claims what is queued, hands frames
// to the exchanges they belong to, and has the fronts woken. Used from the loop's thread alone.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "link/worker_link.h"
#include "message/request.h"
#include "python/asgi_exchange.h"
#include "python/asgi_names.h"
#include "python/asgi_scope.h"
#include "python/py_api.h"

namespace cutwater::python {

// The Python object that takes the exchange over: a new reference, or nullptr with a Python exception.
using ExchangeMaker = std::function<PyObject*(std::unique_ptr<AsgiExchange>)>;

class AsgiWorker {
 public:
  struct Setup {
    PyRef module;       // whose types this makes instances of: they go with it
    PyRef begin;        // begin(scope, exchange) -> coroutine: the application, and what follows it; or None: it is
                        // under way, and finish() will be called
    PyRef create_task;  // of the loop
    PyRef call_soon;    // of the loop
    PyRef client_left;  // client_left(task), or None: what becomes of a request that nobody waits for
    PyRef drained;      // drained(reason): the worker retired and its last request has ended
    PyRef problem;      // problem(text): what the operator should read
    PyRef state;        // of lifespan, or None
    uint32_t fronts = 1;
    uint32_t concurrency = 1;
    uint32_t workers = 1;  // of the generation: each leaves the others their share of what is queued
  };
  AsgiWorker(Setup setup, std::unique_ptr<link::WorkerLink> link, ExchangeMaker make_exchange);
  ~AsgiWorker();
  AsgiWorker(const AsgiWorker&) = delete;
  AsgiWorker& operator=(const AsgiWorker&) = delete;

  // False with a Python exception. `self` is the Python object that holds this, whose turn() is scheduled.
  bool prepare(PyObject* self);

  // False with a Python exception.
  bool turn();
  // turn() comes soon: something was sent.
  void schedule();
  // Claims nothing more; drained() is called when the last request has ended.
  void stop(std::string reason);
  // Every running task is cancelled.
  void cancel_all();
  // The application's coroutine for that exchange has ended; `raised`: by an exception, which was logged. `problem`:
  // what the log should say otherwise.
  void finish(AsgiExchange& exchange, bool raised, std::string& problem);

  int wake_descriptor() const { return link_->wake_descriptor(); }
  int lane_socket(uint32_t front) const { return link_->lane_socket(front); }
  uint32_t fronts() const { return setup_.fronts; }
  size_t active() const { return active_; }
  // For a lane socket that became readable: takes descriptors in. The sockets whose front has ended, which must be
  // watched no more.
  std::vector<int> look_at_sockets();
  // False with a Python exception: this is another thread than that of the loop.
  bool on_its_thread() const;

  // For the exchanges.
  link::WorkerLink& link() { return *link_; }
  const AsgiNames& names() const { return names_; }
  void add_blocked(AsgiExchange& exchange);
  void forget_slot(AsgiExchange& exchange);
  void cancel(AsgiExchange& exchange);
  bool cancels_all() const { return cancels_all_; }
  void client_left(AsgiExchange& exchange);

 private:
  // How many requests may be claimed before what was claimed gets its first step.
  uint32_t share() const;
  void start(link::Claim claim);
  // False with a Python exception. `entered`: the exchange, once there is one.
  bool begin(const link::Claim& claim, AsgiExchange*& entered);
  void report(const char* text);
  void enter(AsgiExchange& exchange);
  void leave(AsgiExchange& exchange);
  void take_in(const link::DownFrame& frame);
  void pump_blocked();
  AsgiExchange** slot_of(uint32_t front, uint32_t slot);

  Setup setup_;
  std::unique_ptr<link::WorkerLink> link_;
  ExchangeMaker make_exchange_;
  PyRef turn_;  // bound method
  AsgiNames names_;
  AsgiScope scope_;
  std::vector<std::vector<AsgiExchange*>> slots_;  // by front and slot: who holds it
  AsgiExchange* first_ = nullptr;                  // of all that run
  size_t active_ = 0;
  std::vector<AsgiExchange*> blocked_;
  std::vector<AsgiExchange*> pumped_;  // what was blocked at the beginning of this turn; nullptr: gone since
  unsigned long thread_ = 0;
  message::Request request_;
  link::RequestExtras extras_;
  std::string reason_;
  bool scheduled_ = false;
  bool pumping_ = false;
  bool told_ = false;
  bool cancels_all_ = false;
};

}  // namespace cutwater::python
