#include "python/greenlet_type.h"

#include <utility>

#include "python/calls.h"

namespace cutwater::python {
namespace {

struct TeamObject {
  PyObject ob_base;
  GreenletTeam* team;
};

GreenletTeam& team_of(PyObject* self) {
  return *reinterpret_cast<TeamObject*>(self)->team;
}

PyObject* turn(PyObject* self, PyObject*) {
  team_of(self).turn();
  Py_RETURN_NONE;
}

PyObject* tick(PyObject* self, PyObject*) {
  team_of(self).tick();
  Py_RETURN_NONE;
}

PyObject* look_at_sockets(PyObject* self, PyObject*) {
  PyRef list = PyRef::steal(PyList_New(0));
  for (int descriptor : team_of(self).look_at_sockets()) {
    PyRef number = PyRef::steal(PyLong_FromLong(descriptor));
    if (!list || !number || PyList_Append(list.get(), number.get()) < 0) return nullptr;
  }
  return list.release();
}

PyObject* stop(PyObject* self, PyObject* arguments) {
  const char* reason = nullptr;
  if (!PyArg_ParseTuple(arguments, "s:stop", &reason)) return nullptr;
  team_of(self).stop(reason);
  Py_RETURN_NONE;
}

PyObject* forked(PyObject* self, PyObject*) {
  team_of(self).forked();
  Py_RETURN_NONE;
}

PyObject* lane_sockets(PyObject* self, void*) {
  const GreenletTeam& team = team_of(self);
  PyRef list = PyRef::steal(PyList_New(0));
  for (uint32_t front = 0; list && front < team.fronts(); ++front) {
    PyRef number = PyRef::steal(PyLong_FromLong(team.lane_socket(front)));
    if (!number || PyList_Append(list.get(), number.get()) < 0) return nullptr;
  }
  return list.release();
}

PyObject* wake_descriptor(PyObject* self, void*) {
  return PyLong_FromLong(team_of(self).wake_descriptor());
}

PyObject* active(PyObject* self, void*) {
  return PyLong_FromSize_t(team_of(self).active());
}

void destroy(PyObject* self) {
  delete reinterpret_cast<TeamObject*>(self)->team;
  free_instance(self);
}

PyMethodDef methods[] = {
    {"turn", turn, METH_NOARGS, "Claims, receives, wakes: for the hub, when wake_descriptor is readable."},
    {"tick", tick, METH_NOARGS, "For the hub: the time of somebody who waits is up."},
    {"look_at_sockets", look_at_sockets, METH_NOARGS,
     "For the hub, when one of lane_sockets is readable: those to be watched no more."},
    {"forked", forked, METH_NOARGS, "In a child that the application has just forked, where it did."},
    {"stop", stop, METH_VARARGS, "stop(reason): claims nothing more."},
    {nullptr, nullptr, 0, nullptr}};

PyGetSetDef members[] = {{"wake_descriptor", wake_descriptor, nullptr, nullptr, nullptr},
                         {"lane_sockets", lane_sockets, nullptr, nullptr, nullptr},
                         {"active", active, nullptr, nullptr, nullptr},
                         {nullptr, nullptr, nullptr, nullptr, nullptr}};

PyType_Slot slots[] = {
    {Py_tp_dealloc, reinterpret_cast<void*>(destroy)}, {Py_tp_methods, methods}, {Py_tp_getset, members}, {0, nullptr}};

PyType_Spec specification = {"_cutwater.GreenletTeam", sizeof(TeamObject), 0, Py_TPFLAGS_DEFAULT, slots};

}  // namespace

PyObject* make_greenlet_team_type() {
  return PyType_FromSpec(&specification);
}

PyObject* new_greenlet_team(PyObject* type, const WsgiTypes& types, const WsgiSetup& wsgi, GreenletTeam::Setup setup,
                            std::unique_ptr<link::WorkerLink> link) {
  auto* object = new_instance<TeamObject>(type);
  if (object == nullptr) return nullptr;
  PyRef owner = PyRef::steal(reinterpret_cast<PyObject*>(object));
  object->team = new GreenletTeam(types, wsgi, std::move(setup), std::move(link));
  return object->team->prepare(owner.get()) ? owner.release() : nullptr;
}

}  // namespace cutwater::python
