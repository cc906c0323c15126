// The two callables an application gets: start_response and, from it, write. They may outlive their request
// and then raise.
#pragma once

#include "python/py_api.h"
#include "python/reply.h"

namespace cutwater::python {

// New reference; nullptr with a Python exception.
PyObject* make_responder_type();

// One responder serves request after request as long as no application keeps it.
class Responder {
 public:
  explicit Responder(PyObject* type) : type_(PyRef::share(type)) {}

  // Borrowed: the start_response callable for the next request; nullptr with a Python exception.
  PyObject* attach(Reply& reply);
  void detach();

 private:
  bool prepare();

  PyRef type_;
  PyRef object_;
  PyRef start_response_;
  PyRef write_;
};

}  // namespace cutwater::python
