#include "python/responder.h"

#include <cstring>

#include "python/calls.h"
#include "python/strings.h"

namespace cutwater::python {
namespace {

struct ResponderObject {
  PyObject_HEAD Reply* reply;
  PyObject* write;  // borrowed from the Responder while a reply is attached
};

Reply* reply_of(PyObject* self, const char* callable) {
  Reply* reply = reinterpret_cast<ResponderObject*>(self)->reply;
  if (reply == nullptr || !reply->active()) {
    PyErr_Format(PyExc_RuntimeError, "%s() was called after its request had ended", callable);
    return nullptr;
  }
  return reply;
}

PyObject* write_block(PyObject* self, PyObject* block) {
  Reply* reply = reply_of(self, "write");
  if (reply == nullptr) return nullptr;
  if (!PyBytes_Check(block)) {
    PyErr_Format(PyExc_TypeError, "write() needs bytes, not %s", type_name(block).c_str());
    return nullptr;
  }
  PyRef keep = PyRef::share(block);
  switch (reply->write(bytes_view(block))) {
    case SendOutcome::kSent:
      Py_RETURN_NONE;
    case SendOutcome::kGone:
      PyErr_SetString(PyExc_ConnectionResetError, "the client is gone");
      return nullptr;
    case SendOutcome::kError:
      break;
  }
  return nullptr;
}

PyMethodDef write_definition = {"write", write_block, METH_O, "write(block): sends bytes at once (PEP 3333)"};

PyObject* start(PyObject* self, PyObject* status, PyObject* headers, PyObject* exc_info) {
  Reply* reply = reply_of(self, "start_response");
  if (reply == nullptr || !reply->start(status, headers, exc_info)) return nullptr;
  PyObject* write = reinterpret_cast<ResponderObject*>(self)->write;
  Py_INCREF(write);
  return write;
}

#ifdef Py_LIMITED_API
PyObject* start_response(PyObject* self, PyObject* arguments, PyObject* keywords) {
  static const char* names[] = {"status", "headers", "exc_info", nullptr};
  PyObject* status = nullptr;
  PyObject* headers = nullptr;
  PyObject* exc_info = nullptr;
  if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "OO|O:start_response", const_cast<char**>(names), &status,
                                   &headers, &exc_info)) {
    return nullptr;
  }
  return start(self, status, headers, exc_info);
}
constexpr int kStartResponseFlags = METH_VARARGS | METH_KEYWORDS;
#else
PyObject* start_response(PyObject* self, PyObject* const* arguments, Py_ssize_t positional, PyObject* keywords) {
  static constexpr const char* kNames[] = {"status", "headers", "exc_info"};
  PyObject* values[3] = {nullptr, nullptr, nullptr};
  if (positional > 3) {
    PyErr_SetString(PyExc_TypeError, "start_response() takes status, headers and exc_info");
    return nullptr;
  }
  for (Py_ssize_t index = 0; index < positional; ++index) values[index] = arguments[index];
  Py_ssize_t named = keywords == nullptr ? 0 : tuple_size(keywords);
  for (Py_ssize_t index = 0; index < named; ++index) {
    PyObject* name = tuple_item(keywords, index);
    int place = 0;
    while (place < 3 && PyUnicode_CompareWithASCIIString(name, kNames[place]) != 0) ++place;
    if (place == 3 || values[place] != nullptr) {
      PyErr_Format(PyExc_TypeError, "start_response() got an unexpected argument %R", name);
      return nullptr;
    }
    values[place] = arguments[positional + index];
  }
  if (values[0] == nullptr || values[1] == nullptr) {
    PyErr_SetString(PyExc_TypeError, "start_response() needs status and headers");
    return nullptr;
  }
  return start(self, values[0], values[1], values[2]);
}
constexpr int kStartResponseFlags = METH_FASTCALL | METH_KEYWORDS;
#endif

PyMethodDef start_response_definition = {
    "start_response", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(start_response)), kStartResponseFlags,
    "start_response(status, headers, exc_info=None) -> write (PEP 3333)"};

void responder_free(PyObject* self) {
  free_instance(self);
}

PyType_Slot responder_slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(responder_free)}, {0, nullptr}};

PyType_Spec responder_spec = {"_cutwater.Responder", sizeof(ResponderObject), 0, Py_TPFLAGS_DEFAULT, responder_slots};

}  // namespace

PyObject* make_responder_type() {
  return PyType_FromSpec(&responder_spec);
}

bool Responder::prepare() {
  // Kept by nobody: the callables by us alone, their object by us and by both of them.
  if (object_ && Py_REFCNT(start_response_.get()) == 1 && Py_REFCNT(write_.get()) == 1 &&
      Py_REFCNT(object_.get()) == 3) {
    return true;
  }
  PyRef object = PyRef::steal(reinterpret_cast<PyObject*>(new_instance<ResponderObject>(type_.get())));
  if (!object) return false;
  PyRef start = PyRef::steal(PyCFunction_NewEx(&start_response_definition, object.get(), nullptr));
  PyRef write = PyRef::steal(PyCFunction_NewEx(&write_definition, object.get(), nullptr));
  if (!start || !write) return false;
  start_response_ = std::move(start);
  write_ = std::move(write);
  object_ = std::move(object);
  return true;
}

PyObject* Responder::attach(Reply& reply) {
  if (!prepare()) return nullptr;
  auto* object = reinterpret_cast<ResponderObject*>(object_.get());
  object->reply = &reply;
  object->write = write_.get();
  return start_response_.get();
}

void Responder::detach() {
  if (!object_) return;
  auto* object = reinterpret_cast<ResponderObject*>(object_.get());
  object->reply = nullptr;
  object->write = nullptr;
}

}  // namespace cutwater::python
