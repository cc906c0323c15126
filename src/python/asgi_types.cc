#include "python/asgi_types.h"

#include <utility>

#include "python/awaitable.h"
#include "python/calls.h"

namespace cutwater::python {
namespace {

// ---- Exchange

struct ExchangeObject {
  PyObject ob_base;
  AsgiExchange* exchange;
  WaitFunctions* later;  // of the worker, which keeps them for good
  PyObject* none_awaitable;
  PyObject* awaitable_type;
};

ExchangeObject& exchange_of(PyObject* self) {
  return *reinterpret_cast<ExchangeObject*>(self);
}

PyObject* receive(PyObject* self, PyObject*) {
  ExchangeObject& object = exchange_of(self);
  PyObject* message = object.exchange->try_receive();
  if (message != nullptr) return new_awaitable(object.awaitable_type, message);
  return PyErr_Occurred() != nullptr ? nullptr : call_with_one(object.later->receive.get(), self);
}

// What send() gives, once the exchange has taken what it was given.
PyObject* sent(PyObject* self) {
  ExchangeObject& object = exchange_of(self);
  if (object.exchange->blocked()) return call_with_one(object.later->send.get(), self);
  Py_INCREF(object.none_awaitable);
  return object.none_awaitable;
}

PyObject* send(PyObject* self, PyObject* message) {
  return exchange_of(self).exchange->send(message) ? sent(self) : nullptr;
}

PyObject* respond(PyObject* self, PyObject* arguments) {
  long status = 0;
  PyObject* reason = nullptr;
  PyObject* headers = nullptr;
  PyObject* body = nullptr;
  int more = 0;
  if (!PyArg_ParseTuple(arguments, "lOOSp:respond", &status, &reason, &headers, &body, &more)) return nullptr;
  return exchange_of(self).exchange->respond(status, reason, headers, body, more != 0) ? sent(self) : nullptr;
}

PyObject* try_receive(PyObject* self, PyObject*) {
  PyObject* message = exchange_of(self).exchange->try_receive();
  if (message == nullptr && PyErr_Occurred() == nullptr) Py_RETURN_NONE;
  return message;
}

PyObject* blocked(PyObject* self, PyObject*) {
  return PyBool_FromLong(exchange_of(self).exchange->blocked() ? 1 : 0);
}

PyObject* await_message(PyObject* self, PyObject* future) {
  exchange_of(self).exchange->await_message(future);
  Py_RETURN_NONE;
}

PyObject* await_room(PyObject* self, PyObject* future) {
  exchange_of(self).exchange->await_room(future);
  Py_RETURN_NONE;
}

PyObject* await_end(PyObject* self, PyObject* future) {
  exchange_of(self).exchange->await_end(future);
  Py_RETURN_NONE;
}

PyObject* text_of(const std::string& text) {
  return PyUnicode_DecodeLatin1(text.data(), static_cast<Py_ssize_t>(text.size()), nullptr);
}
PyObject* method_of(PyObject* self, void*) {
  return text_of(exchange_of(self).exchange->method());
}
PyObject* path_of(PyObject* self, void*) {
  return text_of(exchange_of(self).exchange->path());
}
PyObject* has_left(PyObject* self, void*) {
  return PyBool_FromLong(exchange_of(self).exchange->client_left() ? 1 : 0);
}
PyObject* is_cancelled(PyObject* self, void*) {
  return PyBool_FromLong(exchange_of(self).exchange->cancelled() ? 1 : 0);
}

PyObject* is_over(PyObject* self, void*) {
  return PyBool_FromLong(exchange_of(self).exchange->over() ? 1 : 0);
}
PyObject* is_finished(PyObject* self, void*) {
  return PyBool_FromLong(exchange_of(self).exchange->finished() ? 1 : 0);
}

void destroy_exchange(PyObject* self) {
  ExchangeObject& object = exchange_of(self);
  delete object.exchange;
  Py_XDECREF(object.none_awaitable);
  Py_XDECREF(object.awaitable_type);
  free_instance(self);
}

PyMethodDef exchange_methods[] = {
    {"receive", receive, METH_NOARGS, "ASGI's receive."},
    {"send", send, METH_O, "ASGI's send."},
    {"respond", respond, METH_VARARGS,
     "respond(status, reason, headers, body, more_body): http.response.start and http.response.body in one call."},
    {"try_receive", try_receive, METH_NOARGS, "The next message, or None: nothing came yet."},
    {"blocked", blocked, METH_NOARGS, "What was sent waits for room or for the client."},
    {"await_message", await_message, METH_O,
     "await_message(future): resolved when try_receive() should be asked again."},
    {"await_end", await_end, METH_O, "await_end(future): resolved when it may be over."},
    {"await_room", await_room, METH_O, "await_room(future): resolved when blocked() should be asked again."},
    {nullptr, nullptr, 0, nullptr}};

PyGetSetDef exchange_members[] = {
    {"method", method_of, nullptr, nullptr, nullptr},     {"path", path_of, nullptr, nullptr, nullptr},
    {"client_left", has_left, nullptr, nullptr, nullptr}, {"over", is_over, nullptr, nullptr, nullptr},
    {"finished", is_finished, nullptr, nullptr, nullptr}, {"cancelled", is_cancelled, nullptr, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};

PyType_Slot exchange_slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(destroy_exchange)},
                                {Py_tp_methods, exchange_methods},
                                {Py_tp_getset, exchange_members},
                                {0, nullptr}};

PyType_Spec exchange_specification = {"_cutwater.Exchange", sizeof(ExchangeObject), 0, Py_TPFLAGS_DEFAULT,
                                      exchange_slots};

// ---- AsgiWorker

struct WorkerObject {
  PyObject ob_base;
  AsgiWorker* worker;
  WaitFunctions* later;
  PyObject* none_awaitable;
  PyObject* awaitable_type;
};

WorkerObject& worker_of(PyObject* self) {
  return *reinterpret_cast<WorkerObject*>(self);
}

PyObject* turn(PyObject* self, PyObject*) {
  if (!worker_of(self).worker->turn()) return nullptr;
  Py_RETURN_NONE;
}

PyObject* look_at_sockets(PyObject* self, PyObject*) {
  PyRef list = PyRef::steal(PyList_New(0));
  for (int descriptor : worker_of(self).worker->look_at_sockets()) {
    PyRef number = PyRef::steal(PyLong_FromLong(descriptor));
    if (!list || !number || PyList_Append(list.get(), number.get()) < 0) return nullptr;
  }
  return list.release();
}

PyObject* stop(PyObject* self, PyObject* arguments) {
  const char* reason = nullptr;
  if (!PyArg_ParseTuple(arguments, "s:stop", &reason)) return nullptr;
  worker_of(self).worker->stop(reason);
  Py_RETURN_NONE;
}

PyObject* cancel_all(PyObject* self, PyObject*) {
  worker_of(self).worker->cancel_all();
  Py_RETURN_NONE;
}

PyObject* finish(PyObject* self, PyObject* arguments) {
  PyObject* exchange = nullptr;
  int raised = 0;
  if (!PyArg_ParseTuple(arguments, "Op:finish", &exchange, &raised)) return nullptr;
  std::string problem;
  worker_of(self).worker->finish(*exchange_of(exchange).exchange, raised != 0, problem);
  if (problem.empty()) Py_RETURN_NONE;
  return PyUnicode_FromString(problem.c_str());
}

PyObject* descriptors(PyObject* self, void*) {
  const AsgiWorker& worker = *worker_of(self).worker;
  PyRef list = PyRef::steal(PyList_New(0));
  for (uint32_t front = 0; list && front < worker.fronts(); ++front) {
    PyRef number = PyRef::steal(PyLong_FromLong(worker.lane_socket(front)));
    if (!number || PyList_Append(list.get(), number.get()) < 0) return nullptr;
  }
  return list.release();
}

PyObject* wake_descriptor(PyObject* self, void*) {
  return PyLong_FromLong(worker_of(self).worker->wake_descriptor());
}

PyObject* active(PyObject* self, void*) {
  return PyLong_FromSize_t(worker_of(self).worker->active());
}

void destroy_worker(PyObject* self) {
  WorkerObject& object = worker_of(self);
  delete object.worker;
  delete object.later;
  Py_XDECREF(object.none_awaitable);
  Py_XDECREF(object.awaitable_type);
  free_instance(self);
}

PyMethodDef worker_methods[] = {
    {"turn", turn, METH_NOARGS, "Claims, receives, wakes: for the loop, when wake_descriptor is readable."},
    {"look_at_sockets", look_at_sockets, METH_NOARGS,
     "For the loop, when one of lane_sockets is readable: those to be watched no more."},
    {"stop", stop, METH_VARARGS, "stop(reason): claims nothing more."},
    {"cancel_all", cancel_all, METH_NOARGS, "Cancels the tasks of all requests."},
    {"finish", finish, METH_VARARGS,
     "finish(exchange, raised): the application has returned; what was wrong, or None."},
    {nullptr, nullptr, 0, nullptr}};

PyGetSetDef worker_members[] = {{"wake_descriptor", wake_descriptor, nullptr, nullptr, nullptr},
                                {"lane_sockets", descriptors, nullptr, nullptr, nullptr},
                                {"active", active, nullptr, nullptr, nullptr},
                                {nullptr, nullptr, nullptr, nullptr, nullptr}};

PyType_Slot worker_slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(destroy_worker)},
                              {Py_tp_methods, worker_methods},
                              {Py_tp_getset, worker_members},
                              {0, nullptr}};

PyType_Spec worker_specification = {"_cutwater.AsgiWorker", sizeof(WorkerObject), 0, Py_TPFLAGS_DEFAULT, worker_slots};

}  // namespace

PyObject* make_asgi_worker_type() {
  return PyType_FromSpec(&worker_specification);
}

PyObject* make_exchange_type() {
  return PyType_FromSpec(&exchange_specification);
}

PyObject* new_asgi_worker(const AsgiTypes& types, AsgiWorker::Setup setup, std::unique_ptr<link::WorkerLink> link,
                          WaitFunctions later) {
  auto* object = new_instance<WorkerObject>(types.worker);
  if (object == nullptr) return nullptr;
  PyRef owner = PyRef::steal(reinterpret_cast<PyObject*>(object));
  object->worker = nullptr;
  object->later = new WaitFunctions(std::move(later));
  object->awaitable_type = PyRef::share(types.awaitable).release();
  object->none_awaitable = new_awaitable(types.awaitable, nullptr);
  if (object->none_awaitable == nullptr) return nullptr;
  ExchangeMaker maker = [object, type = types.exchange](std::unique_ptr<AsgiExchange> exchange) -> PyObject* {
    auto* made = new_instance<ExchangeObject>(type);
    if (made == nullptr) return nullptr;
    made->exchange = exchange.release();
    made->later = object->later;
    made->none_awaitable = PyRef::share(object->none_awaitable).release();
    made->awaitable_type = PyRef::share(object->awaitable_type).release();
    return reinterpret_cast<PyObject*>(made);
  };
  object->worker = new AsgiWorker(std::move(setup), std::move(link), std::move(maker));
  return object->worker->prepare(owner.get()) ? owner.release() : nullptr;
}

}  // namespace cutwater::python
