#include "python/awaitable.h"

#include "python/calls.h"

namespace cutwater::python {
namespace {

struct Awaitable {
  PyObject ob_base;
  PyObject* value;  // nullptr: None
};

PyObject* give(PyObject* self) {
  PyObject* value = reinterpret_cast<Awaitable*>(self)->value;
  if (value == nullptr) return nullptr;  // the end of an iteration without an exception means None
  // StopIteration takes a tuple or an exception apart unless it stands in a tuple of its own.
  PyRef packed = PyRef::steal(PyTuple_Pack(1, value));
  if (packed) PyErr_SetObject(PyExc_StopIteration, packed.get());
  return nullptr;
}

PyObject* itself(PyObject* self) {
  Py_INCREF(self);
  return self;
}

// As give(), for a caller that asks by name and needs the exception.
PyObject* send(PyObject* self, PyObject*) {
  give(self);
  if (PyErr_Occurred() == nullptr) PyErr_SetNone(PyExc_StopIteration);
  return nullptr;
}

// Nothing runs that could catch it. throw(value) or throw(type, value, traceback).
PyObject* raise(PyObject*, PyObject* arguments) {
  PyObject* type = nullptr;
  PyObject* value = nullptr;
  PyObject* traceback = nullptr;
  if (!PyArg_ParseTuple(arguments, "O|OO:throw", &type, &value, &traceback)) return nullptr;
  if (PyType_Check(type)) {
    PyErr_SetObject(type, value == Py_None ? nullptr : value);
  } else {
    PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(type)), type);
  }
  return nullptr;
}

PyObject* close(PyObject*, PyObject*) {
  Py_RETURN_NONE;
}

void destroy(PyObject* self) {
  Py_XDECREF(reinterpret_cast<Awaitable*>(self)->value);
  free_instance(self);
}

PyMethodDef methods[] = {{"send", send, METH_O, nullptr},
                         {"throw", raise, METH_VARARGS, nullptr},
                         {"close", close, METH_NOARGS, nullptr},
                         {nullptr, nullptr, 0, nullptr}};

PyType_Slot slots[] = {{Py_am_await, reinterpret_cast<void*>(itself)},
                       {Py_tp_iter, reinterpret_cast<void*>(itself)},
                       {Py_tp_iternext, reinterpret_cast<void*>(give)},
                       {Py_tp_dealloc, reinterpret_cast<void*>(destroy)},
                       {Py_tp_methods, methods},
                       {0, nullptr}};

PyType_Spec specification = {"_cutwater.Awaitable", sizeof(Awaitable), 0, Py_TPFLAGS_DEFAULT, slots};

}  // namespace

PyObject* make_awaitable_type() {
  return PyType_FromSpec(&specification);
}

PyObject* new_awaitable(PyObject* type, PyObject* value) {
  auto* made = new_instance<Awaitable>(type);
  if (made == nullptr) {
    Py_XDECREF(value);
    return nullptr;
  }
  made->value = value;
  return reinterpret_cast<PyObject*>(made);
}

}  // namespace cutwater::python
