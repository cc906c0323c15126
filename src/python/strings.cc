#include "python/strings.h"

namespace cutwater::python {

Latin1View::Latin1View(PyObject* text) {
#ifndef Py_LIMITED_API
#if PY_VERSION_HEX < 0x030C0000
  if (PyUnicode_READY(text) < 0) {
    PyErr_Clear();
    return;
  }
#endif
  if (PyUnicode_KIND(text) != PyUnicode_1BYTE_KIND) return;
  view_ = {reinterpret_cast<const char*>(PyUnicode_1BYTE_DATA(text)), static_cast<size_t>(PyUnicode_GET_LENGTH(text))};
  ok_ = true;
#else
  encoded_ = PyRef::steal(PyUnicode_AsLatin1String(text));
  if (!encoded_) {
    PyErr_Clear();
    return;
  }
  view_ = bytes_view(encoded_.get());
  ok_ = true;
#endif
}

std::string utf8_text(PyObject* text) {
  PyRef encoded = PyRef::steal(PyUnicode_AsEncodedString(text, "utf-8", "backslashreplace"));
  if (!encoded) {
    PyErr_Clear();
    return {};
  }
  return std::string(bytes_view(encoded.get()));
}

std::string type_name(PyObject* object) {
  PyRef name = PyRef::steal(PyObject_GetAttrString(reinterpret_cast<PyObject*>(Py_TYPE(object)), "__name__"));
  if (!name || !PyUnicode_Check(name.get())) {
    PyErr_Clear();
    return "object";
  }
  return utf8_text(name.get());
}

}  // namespace cutwater::python
