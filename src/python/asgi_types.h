// The Python types `AsgiWorker` and `Exchange` of _cutwater; python/cutwater/asgi.py is their other side.
#pragma once

#include <memory>

#include "python/asgi_worker.h"
#include "python/py_api.h"

namespace cutwater::python {

struct AsgiTypes {
  PyObject* worker = nullptr;
  PyObject* exchange = nullptr;
  PyObject* awaitable = nullptr;
};

// The type objects, or nullptr with a Python exception.
PyObject* make_asgi_worker_type();
PyObject* make_exchange_type();

// `later`: coroutine functions of an exchange that wait for a message, and for the line to be empty. Takes over what
// it is given. nullptr with a Python exception.
struct WaitFunctions {
  PyRef receive, send;
};
PyObject* new_asgi_worker(const AsgiTypes& types, AsgiWorker::Setup setup, std::unique_ptr<link::WorkerLink> link,
                          WaitFunctions later);

}  // namespace cutwater::python
