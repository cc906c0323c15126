// wsgi.input: the request's body as PEP 3333 wants it: read, readline, readlines, iteration; b"" for ever at
// its end. Used after its request it raises ValueError.
#pragma once

#include "python/py_api.h"
#include "python/request_body.h"

namespace cutwater::python {

// New reference; nullptr with a Python exception.
PyObject* make_input_type();

PyObject* new_input(PyObject* type);
// `body` and `channel` nullptr: the request is over.
void attach_input(PyObject* input, RequestBody* body, RequestChannel* channel);

}  // namespace cutwater::python
