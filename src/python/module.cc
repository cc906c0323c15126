// The module `_cutwater`: what python/cutwater/_cutwater.pyi describes. Multi-phase, with its state in the
// module, so that several interpreters of a process could each have one.
#include <chrono>
#include <memory>
#include <vector>

#include "base/file_descriptor.h"
#include "link/segment.h"
#include "link/worker_link.h"
#include "python/file_wrapper.h"
#include "python/input.h"
#include "python/process.h"
#include "python/py_api.h"
#include "python/responder.h"
#include "python/thread_team.h"
#include "python/wsgi_worker.h"

namespace cutwater::python {
namespace {

struct ModuleState {
  WsgiTypes types;
};

ModuleState& state_of(PyObject* module) {
  return *static_cast<ModuleState*>(PyModule_GetState(module));
}

// Takes over the descriptors of a sequence of int. False with a Python exception.
bool read_descriptors(PyObject* sequence, std::vector<base::FileDescriptor>& descriptors) {
  Py_ssize_t count = PySequence_Size(sequence);
  for (Py_ssize_t index = 0; index < count; ++index) {
    PyRef item = PyRef::steal(PySequence_GetItem(sequence, index));
    long number = item ? PyLong_AsLong(item.get()) : -1;
    if (PyErr_Occurred() != nullptr) return false;
    descriptors.emplace_back(static_cast<int>(number));
  }
  return count >= 0;
}

PyObject* serve_wsgi(PyObject* module, PyObject* arguments, PyObject* keywords) {
  static const char* names[] = {"application",  "host",
                                "errors",       "segment",
                                "lane",         "wake",
                                "front_wakes",  "front_alarms",
                                "lane_sockets", "control",
                                "signals",      "drop_hop_by_hop",
                                "threads",      "switch_interval",
                                nullptr};
  WsgiSetup setup{};
  int segment_descriptor = -1;
  unsigned int lane = 0;
  int wake = -1;
  PyObject* front_wakes = nullptr;
  PyObject* front_alarms = nullptr;
  PyObject* lane_sockets = nullptr;
  int drop_hop_by_hop = 0;
  unsigned int threads = 1;
  double switch_interval = 0.005;
  if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "OOO|$iIiOOOiipId:serve_wsgi", const_cast<char**>(names),
                                   &setup.application, &setup.host, &setup.errors, &segment_descriptor, &lane, &wake,
                                   &front_wakes, &front_alarms, &lane_sockets, &setup.control, &setup.signals,
                                   &drop_hop_by_hop, &threads, &switch_interval)) {
    return nullptr;
  }
  link::WorkerLink::Descriptors descriptors;
  descriptors.wake.reset(wake);
  base::FileDescriptor segment_owner(segment_descriptor);
  if (!read_descriptors(front_wakes, descriptors.front_wakes) ||
      !read_descriptors(front_alarms, descriptors.front_alarms) ||
      !read_descriptors(lane_sockets, descriptors.lane_sockets)) {
    return nullptr;
  }
  auto segment = link::Segment::map(segment_descriptor);
  if (!segment) {
    PyErr_Format(PyExc_OSError, "cannot use the shared memory of the front: %s", segment.error().message.c_str());
    return nullptr;
  }
  const link::Layout& layout = segment->layout();
  if (lane >= layout.lanes || descriptors.front_wakes.size() != layout.fronts ||
      descriptors.front_alarms.size() != layout.fronts || descriptors.lane_sockets.size() != layout.fronts) {
    PyErr_SetString(PyExc_ValueError, "lane and descriptors do not fit the shared memory");
    return nullptr;
  }
  segment_owner.reset();
  setup.fronts = layout.fronts;
  setup.hop_by_hop = drop_hop_by_hop != 0 ? HopByHop::kDrop : HopByHop::kRefuse;
  setup.multithread = threads > 1;
  auto worker_link = std::make_unique<link::WorkerLink>(std::move(segment).value(), lane, std::move(descriptors));
  const WsgiTypes& types = state_of(module).types;
  std::string reason;
  bool served;
  if (threads > 1) {
    const auto interval = std::chrono::duration_cast<base::Duration>(std::chrono::duration<double>(switch_interval));
    auto team = std::make_unique<ThreadTeam>(types, setup, ThreadTeam::Size{threads, interval}, *worker_link);
    served = team->serve(reason);
    if (!team->is_over()) {  // a thread of it still hangs somewhere
      static_cast<void>(team.release());
      static_cast<void>(worker_link.release());
    }
  } else {
    served = WsgiWorker(types, setup, *worker_link).serve(reason);
  }
  if (!served) return nullptr;
  return PyUnicode_FromStringAndSize(reason.data(), static_cast<Py_ssize_t>(reason.size()));
}

PyObject* none_or_errno(bool succeeded) {
  if (!succeeded) return PyErr_SetFromErrno(PyExc_OSError);
  Py_RETURN_NONE;
}

PyObject* py_set_process_name(PyObject*, PyObject* arguments) {
  const char* name = nullptr;
  if (!PyArg_ParseTuple(arguments, "s:set_process_name", &name)) return nullptr;
  set_process_name(name);
  Py_RETURN_NONE;
}

PyObject* py_end_with_parent(PyObject*, PyObject* arguments) {
  int channel = -1;
  int milliseconds = 0;
  if (!PyArg_ParseTuple(arguments, "ii:end_with_parent", &channel, &milliseconds)) return nullptr;
  return none_or_errno(end_with_parent(channel, milliseconds));
}

PyObject* py_exit_within(PyObject*, PyObject* arguments) {
  int milliseconds = 0;
  int status = 0;
  if (!PyArg_ParseTuple(arguments, "ii:exit_within", &milliseconds, &status)) return nullptr;
  return none_or_errno(exit_within(milliseconds, status));
}

int execute(PyObject* module) {
  WsgiTypes& types = state_of(module).types;
  types.input = make_input_type();
  types.responder = make_responder_type();
  types.file_wrapper = make_file_wrapper_type();
  if (types.input == nullptr || types.responder == nullptr || types.file_wrapper == nullptr) return -1;
  Py_INCREF(types.file_wrapper);
  if (PyModule_AddObject(module, "FileWrapper", types.file_wrapper) < 0) {
    Py_DECREF(types.file_wrapper);
    return -1;
  }
  if (PyModule_AddStringConstant(module, "version", CUTWATER_VERSION) < 0) return -1;
  return PyModule_AddIntConstant(module, "limited_api", kLimitedApi ? 1 : 0);
}

int traverse(PyObject* module, visitproc visit, void* arg) {
  WsgiTypes& types = state_of(module).types;
  Py_VISIT(types.input);
  Py_VISIT(types.responder);
  Py_VISIT(types.file_wrapper);
  return 0;
}

int clear(PyObject* module) {
  WsgiTypes& types = state_of(module).types;
  Py_CLEAR(types.input);
  Py_CLEAR(types.responder);
  Py_CLEAR(types.file_wrapper);
  return 0;
}

void destroy(void* module) {
  clear(static_cast<PyObject*>(module));
}

PyMethodDef functions[] = {
    {"serve_wsgi", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(serve_wsgi)),
     METH_VARARGS | METH_KEYWORDS, "Serves requests from the fronts' queues until told to end; returns the reason."},
    {"set_process_name", py_set_process_name, METH_VARARGS,
     "set_process_name(name): what ps shows of this process; at most 15 bytes."},
    {"end_with_parent", py_end_with_parent, METH_VARARGS,
     "end_with_parent(channel, milliseconds): kills this process so long after the channel was closed."},
    {"exit_within", py_exit_within, METH_VARARGS,
     "exit_within(milliseconds, status): ends this process then, if it still runs."},
    {nullptr, nullptr, 0, nullptr}};

PyModuleDef_Slot slots[] = {{Py_mod_exec, reinterpret_cast<void*>(execute)},
#if !defined(Py_LIMITED_API) && PY_VERSION_HEX >= 0x030C0000
                            {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
                            {0, nullptr}};

PyModuleDef definition = {PyModuleDef_HEAD_INIT,
                          "_cutwater",
                          "Cutwater's worker side.",
                          sizeof(ModuleState),
                          functions,
                          slots,
                          traverse,
                          clear,
                          destroy};

}  // namespace
}  // namespace cutwater::python

extern "C" __attribute__((visibility("default"))) PyObject* PyInit__cutwater() {
  return PyModuleDef_Init(&cutwater::python::definition);
}
