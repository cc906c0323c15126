// wsgi.file_wrapper (PEP 3333): an iterator over a file-like object that the worker may also send as a file.
#pragma once

#include "python/py_api.h"

namespace cutwater::python {

// New reference; nullptr with a Python exception.
PyObject* make_file_wrapper_type();
// Borrowed: the object it was made with. `wrapper` must be of that type.
PyObject* wrapped_file(PyObject* wrapper);

}  // namespace cutwater::python
