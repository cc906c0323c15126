#include "python/asgi_tls.h"

#include <string_view>

#include "python/calls.h"
#include "python/strings.h"

namespace cutwater::python {
namespace {

// Of one that comes twice the last counts. Empty with a Python exception, and where there is none.
PyRef chosen(const message::Headers& variables) {
  PyRef dict;
  for (const message::HeaderField& variable : variables) {
    if (!variable.name.starts_with("SSL_")) continue;
    if (!dict) dict = PyRef::steal(PyDict_New());
    PyRef name = PyRef::steal(new_latin1(variable.name));
    PyRef value = PyRef::steal(new_latin1(variable.value));
    if (!dict || !name || !value || PyDict_SetItem(dict.get(), name.get(), value.get()) < 0) return {};
  }
  return dict;
}

}  // namespace

void AsgiTls::add(PyObject* extensions, const message::Headers& variables) {
  PyRef dict = chosen(variables);
  if (dict) describe(extensions, dict.get());
  if (PyErr_Occurred() != nullptr) PyErr_WriteUnraisable(describe_.get());
}

bool AsgiTls::describe(PyObject* extensions, PyObject* variables) {
  if (!describe_) {
    PyRef module = PyRef::steal(PyImport_ImportModule("cutwater.tls_extension"));
    if (!module) return false;
    key_ = PyRef::steal(PyUnicode_InternFromString("tls"));
    describe_ = PyRef::steal(PyObject_GetAttrString(module.get(), "describe"));
    if (!key_ || !describe_) return false;
  }
  PyRef described = PyRef::steal(call_with_one(describe_.get(), variables));
  if (!described) return false;
  return described.get() == Py_None || PyDict_SetItem(extensions, key_.get(), described.get()) == 0;
}

}  // namespace cutwater::python
