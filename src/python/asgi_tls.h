// AsgiTls: the extension `tls` of a scope, for a request that a trusted web server in front got by TLS and told us of
// (SSL_PROTOCOL and its kin among the request's variables). Python does it: python/cutwater/tls_extension.py, which is
// imported by the first such request of a worker.
#pragma once

#include "message/headers.h"
#include "python/py_api.h"

namespace cutwater::python {

class AsgiTls {
 public:
  // Puts it into the dict `extensions` if one of `variables` begins with SSL_. What goes wrong is reported as Python
  // does it with what nobody can catch, and no reason to fail a request.
  void add(PyObject* extensions, const message::Headers& variables);

 private:
  // False with a Python exception.
  bool describe(PyObject* extensions, PyObject* variables);

  PyRef describe_, key_;
};

}  // namespace cutwater::python
