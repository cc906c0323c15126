#include "python/input.h"

#include "python/calls.h"

namespace cutwater::python {
namespace {

struct Input {
  PyObject_HEAD RequestBody* body;
  RequestChannel* channel;
};

constexpr uint64_t kEverything = UINT64_MAX;

RequestBody* body_of(PyObject* self) {
  auto* input = reinterpret_cast<Input*>(self);
  if (input->body == nullptr) {
    PyErr_SetString(PyExc_ValueError, "the input of a request was used after it had ended");
    return nullptr;
  }
  if (!input->channel->attached()) {
    PyErr_SetString(PyExc_ValueError, "the input of a request cannot be used in a forked child of the worker");
    return nullptr;
  }
  return input->body;
}

// (size=-1): None and negative numbers mean everything. False with a Python exception.
bool read_limit(PyObject* arguments, uint64_t& limit) {
  PyObject* size = nullptr;
  limit = kEverything;
  if (!PyArg_ParseTuple(arguments, "|O", &size)) return false;
  if (size == nullptr || size == Py_None) return true;
  Py_ssize_t number = PyNumber_AsSsize_t(size, PyExc_OverflowError);
  if (number == -1 && PyErr_Occurred() != nullptr) return false;
  if (number >= 0) limit = static_cast<uint64_t>(number);
  return true;
}

PyObject* input_read(PyObject* self, PyObject* arguments) {
  uint64_t limit;
  if (!read_limit(arguments, limit)) return nullptr;
  RequestBody* body = body_of(self);
  return body == nullptr ? nullptr : body->read(limit);
}

PyObject* input_readline(PyObject* self, PyObject* arguments) {
  uint64_t limit;
  if (!read_limit(arguments, limit)) return nullptr;
  RequestBody* body = body_of(self);
  return body == nullptr ? nullptr : body->read_line(limit);
}

PyObject* input_readlines(PyObject* self, PyObject* arguments) {
  uint64_t hint;
  if (!read_limit(arguments, hint)) return nullptr;
  if (hint == 0) hint = kEverything;
  PyRef lines = PyRef::steal(PyList_New(0));
  if (!lines) return nullptr;
  uint64_t total = 0;
  while (total < hint) {
    RequestBody* body = body_of(self);
    if (body == nullptr) return nullptr;
    uint64_t before = body->remaining();
    PyRef line = PyRef::steal(body->read_line(kEverything));
    if (!line) return nullptr;
    if (before == 0) break;
    total += before - body->remaining();
    if (PyList_Append(lines.get(), line.get()) < 0) return nullptr;
  }
  return lines.release();
}

PyObject* input_iter(PyObject* self) {
  Py_INCREF(self);
  return self;
}

PyObject* input_next(PyObject* self) {
  RequestBody* body = body_of(self);
  if (body == nullptr || body->remaining() == 0) return nullptr;
  return body->read_line(kEverything);
}

void input_free(PyObject* self) {
  free_instance(self);
}

PyMethodDef input_methods[] = {
    {"read", input_read, METH_VARARGS, "read(size=-1): the next bytes of the request body"},
    {"readline", input_readline, METH_VARARGS, "readline(size=-1): the next line of the request body"},
    {"readlines", input_readlines, METH_VARARGS, "readlines(hint=-1): the lines of the request body"},
    {nullptr, nullptr, 0, nullptr}};

PyType_Slot input_slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(input_free)},
                             {Py_tp_iter, reinterpret_cast<void*>(input_iter)},
                             {Py_tp_iternext, reinterpret_cast<void*>(input_next)},
                             {Py_tp_methods, input_methods},
                             {0, nullptr}};

PyType_Spec input_spec = {"_cutwater.Input", sizeof(Input), 0, Py_TPFLAGS_DEFAULT, input_slots};

}  // namespace

PyObject* make_input_type() {
  return PyType_FromSpec(&input_spec);
}

PyObject* new_input(PyObject* type) {
  return reinterpret_cast<PyObject*>(new_instance<Input>(type));
}

void attach_input(PyObject* input, RequestBody* body, RequestChannel* channel) {
  reinterpret_cast<Input*>(input)->body = body;
  reinterpret_cast<Input*>(input)->channel = channel;
}

}  // namespace cutwater::python
