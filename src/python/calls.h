// Calls and container access: vectorcall and macros with the full API, functions with the limited one.
#pragma once

#include "python/py_api.h"

namespace cutwater::python {

inline PyObject* call_with_one(PyObject* callable, PyObject* argument) {
#ifdef Py_LIMITED_API
  return PyObject_CallFunctionObjArgs(callable, argument, nullptr);
#else
  PyObject* arguments[2] = {nullptr, argument};
  return PyObject_Vectorcall(callable, arguments + 1, 1 | PY_VECTORCALL_ARGUMENTS_OFFSET, nullptr);
#endif
}

inline PyObject* call_with_two(PyObject* callable, PyObject* first, PyObject* second) {
#ifdef Py_LIMITED_API
  return PyObject_CallFunctionObjArgs(callable, first, second, nullptr);
#else
  PyObject* arguments[3] = {nullptr, first, second};
  return PyObject_Vectorcall(callable, arguments + 1, 2 | PY_VECTORCALL_ARGUMENTS_OFFSET, nullptr);
#endif
}

inline PyObject* call_method(PyObject* object, PyObject* name) {
  return PyObject_CallMethodObjArgs(object, name, nullptr);
}

// `sequence` is a list (subclasses too). Borrowed.
inline Py_ssize_t list_size(PyObject* list) {
#ifdef Py_LIMITED_API
  return PyList_Size(list);
#else
  return PyList_GET_SIZE(list);
#endif
}
inline PyObject* list_item(PyObject* list, Py_ssize_t index) {
#ifdef Py_LIMITED_API
  return PyList_GetItem(list, index);
#else
  return PyList_GET_ITEM(list, index);
#endif
}
inline Py_ssize_t tuple_size(PyObject* tuple) {
#ifdef Py_LIMITED_API
  return PyTuple_Size(tuple);
#else
  return PyTuple_GET_SIZE(tuple);
#endif
}
inline PyObject* tuple_item(PyObject* tuple, Py_ssize_t index) {
#ifdef Py_LIMITED_API
  return PyTuple_GetItem(tuple, index);
#else
  return PyTuple_GET_ITEM(tuple, index);
#endif
}

inline bool is_exact_list(PyObject* object) {
  return Py_TYPE(object) == &PyList_Type;
}
inline bool is_exact_str(PyObject* object) {
  return Py_TYPE(object) == &PyUnicode_Type;
}
inline bool is_exact_tuple(PyObject* object) {
  return Py_TYPE(object) == &PyTuple_Type;
}

// The slot functions of our own heap types: PyType_GetSlot works with both APIs.
inline void free_instance(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  auto free_memory = reinterpret_cast<freefunc>(PyType_GetSlot(type, Py_tp_free));
  free_memory(self);
  Py_DECREF(reinterpret_cast<PyObject*>(type));
}
template <class Instance>
Instance* new_instance(PyObject* type) {
  auto* type_object = reinterpret_cast<PyTypeObject*>(type);
  auto allocate = reinterpret_cast<allocfunc>(PyType_GetSlot(type_object, Py_tp_alloc));
  return reinterpret_cast<Instance*>(allocate(type_object, 0));
}

}  // namespace cutwater::python
