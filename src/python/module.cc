// The module `_cutwater`: what python/cutwater/_cutwater.pyi describes. Multi-phase, with its state in the
// module, so that several interpreters of a process could each have one.
#include <chrono>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "base/file_descriptor.h"
#include "link/segment.h"
#include "link/worker_link.h"
#include "python/asgi_types.h"
#include "python/awaitable.h"
#include "python/file_wrapper.h"
#include "python/greenlet_type.h"
#include "python/input.h"
#include "python/process.h"
#include "python/py_api.h"
#include "python/responder.h"
#include "python/thread_team.h"
#include "python/wsgi_worker.h"

namespace cutwater::python {
namespace {

struct ModuleState {
  WsgiTypes wsgi;
  AsgiTypes asgi;
  PyObject* greenlet_team = nullptr;
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

// What ties a worker to its fronts, as python/cutwater/worker.py has it. Takes the descriptors over, whatever comes of
// it. nullptr with a Python exception.
struct LinkArguments {
  int segment = -1;
  unsigned int lane = 0;
  int wake = -1;
  PyObject* front_wakes = nullptr;
  PyObject* front_alarms = nullptr;
  PyObject* lane_sockets = nullptr;
};

std::unique_ptr<link::WorkerLink> open_link(const LinkArguments& arguments, uint32_t& fronts) {
  link::WorkerLink::Descriptors descriptors;
  descriptors.wake.reset(arguments.wake);
  base::FileDescriptor segment_owner(arguments.segment);
  if (!read_descriptors(arguments.front_wakes, descriptors.front_wakes) ||
      !read_descriptors(arguments.front_alarms, descriptors.front_alarms) ||
      !read_descriptors(arguments.lane_sockets, descriptors.lane_sockets)) {
    return nullptr;
  }
  auto segment = link::Segment::map(arguments.segment);
  if (!segment) {
    PyErr_Format(PyExc_OSError, "cannot use the shared memory of the front: %s", segment.error().message.c_str());
    return nullptr;
  }
  const link::Layout& layout = segment->layout();
  if (arguments.lane >= layout.lanes || descriptors.front_wakes.size() != layout.fronts ||
      descriptors.front_alarms.size() != layout.fronts || descriptors.lane_sockets.size() != layout.fronts) {
    PyErr_SetString(PyExc_ValueError, "lane and descriptors do not fit the shared memory");
    return nullptr;
  }
  fronts = layout.fronts;
  return std::make_unique<link::WorkerLink>(std::move(segment).value(), arguments.lane, std::move(descriptors));
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
  LinkArguments link;
  int drop_hop_by_hop = 0;
  unsigned int threads = 1;
  double switch_interval = 0.005;
  if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "OOO|$iIiOOOiipId:serve_wsgi", const_cast<char**>(names),
                                   &setup.application, &setup.host, &setup.errors, &link.segment, &link.lane,
                                   &link.wake, &link.front_wakes, &link.front_alarms, &link.lane_sockets,
                                   &setup.control, &setup.signals, &drop_hop_by_hop, &threads, &switch_interval)) {
    return nullptr;
  }
  std::unique_ptr<link::WorkerLink> worker_link = open_link(link, setup.fronts);
  if (!worker_link) return nullptr;
  setup.hop_by_hop = drop_hop_by_hop != 0 ? HopByHop::kDrop : HopByHop::kRefuse;
  setup.multithread = threads > 1;
  const WsgiTypes& types = state_of(module).wsgi;
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

PyObject* asgi_worker(PyObject* module, PyObject* arguments, PyObject* keywords) {
  static const char* names[] = {"begin",        "create_task",   "call_soon",  "client_left", "drained",
                                "problem",      "receive_later", "send_later", "state",       "concurrency",
                                "workers",      "segment",       "lane",       "wake",        "front_wakes",
                                "front_alarms", "lane_sockets",  nullptr};
  PyObject* objects[9] = {};
  AsgiWorker::Setup setup{};
  LinkArguments link;
  if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "$OOOOOOOOOIIiIiOOO:asgi_worker", const_cast<char**>(names),
                                   &objects[0], &objects[1], &objects[2], &objects[3], &objects[4], &objects[5],
                                   &objects[6], &objects[7], &objects[8], &setup.concurrency, &setup.workers,
                                   &link.segment, &link.lane, &link.wake, &link.front_wakes, &link.front_alarms,
                                   &link.lane_sockets)) {
    return nullptr;
  }
  std::unique_ptr<link::WorkerLink> worker_link = open_link(link, setup.fronts);
  if (!worker_link) return nullptr;
  setup.module = PyRef::share(module);
  setup.begin = PyRef::share(objects[0]);
  setup.create_task = PyRef::share(objects[1]);
  setup.call_soon = PyRef::share(objects[2]);
  setup.client_left = PyRef::share(objects[3]);
  setup.drained = PyRef::share(objects[4]);
  setup.problem = PyRef::share(objects[5]);
  WaitFunctions later{PyRef::share(objects[6]), PyRef::share(objects[7])};
  if (objects[8] != Py_None) setup.state = PyRef::share(objects[8]);
  return new_asgi_worker(state_of(module).asgi, std::move(setup), std::move(worker_link), std::move(later));
}

PyObject* greenlet_team(PyObject* module, PyObject* arguments, PyObject* keywords) {
  static const char* names[] = {"application",  "host",         "errors",     "hub",     "to_hub",   "current",
                                "new_greenlet", "call_soon",    "call_later", "drained", "detached", "drop_hop_by_hop",
                                "concurrency",  "workers",      "segment",    "lane",    "wake",     "front_wakes",
                                "front_alarms", "lane_sockets", nullptr};
  WsgiSetup wsgi{};
  PyObject* objects[8] = {};
  GreenletTeam::Setup setup{};
  LinkArguments link;
  int drop_hop_by_hop = 0;
  if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "OOO|$OOOOOOOOpIIiIiOOO:greenlet_team",
                                   const_cast<char**>(names), &wsgi.application, &wsgi.host, &wsgi.errors, &objects[0],
                                   &objects[1], &objects[2], &objects[3], &objects[4], &objects[5], &objects[6],
                                   &objects[7], &drop_hop_by_hop, &setup.concurrency, &setup.workers, &link.segment,
                                   &link.lane, &link.wake, &link.front_wakes, &link.front_alarms, &link.lane_sockets)) {
    return nullptr;
  }
  std::unique_ptr<link::WorkerLink> worker_link = open_link(link, wsgi.fronts);
  if (!worker_link) return nullptr;
  wsgi.hop_by_hop = drop_hop_by_hop != 0 ? HopByHop::kDrop : HopByHop::kRefuse;
  wsgi.multithread = true;  // another request may come in between wherever the application waits
  setup.module = PyRef::share(module);
  PyRef* const wanted[] = {&setup.hub,       &setup.to_hub,     &setup.current, &setup.new_greenlet,
                           &setup.call_soon, &setup.call_later, &setup.drained, &setup.detached};
  for (size_t index = 0; index < std::size(wanted); ++index) *wanted[index] = PyRef::share(objects[index]);
  ModuleState& state = state_of(module);
  return new_greenlet_team(state.greenlet_team, state.wsgi, wsgi, std::move(setup), std::move(worker_link));
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
  WsgiTypes& wsgi = state_of(module).wsgi;
  wsgi.input = make_input_type();
  wsgi.responder = make_responder_type();
  wsgi.file_wrapper = make_file_wrapper_type();
  if (wsgi.input == nullptr || wsgi.responder == nullptr || wsgi.file_wrapper == nullptr) return -1;
  AsgiTypes& asgi = state_of(module).asgi;
  state_of(module).greenlet_team = make_greenlet_team_type();
  if (state_of(module).greenlet_team == nullptr) return -1;
  asgi.worker = make_asgi_worker_type();
  asgi.exchange = make_exchange_type();
  asgi.awaitable = make_awaitable_type();
  if (asgi.worker == nullptr || asgi.exchange == nullptr || asgi.awaitable == nullptr) return -1;
  Py_INCREF(wsgi.file_wrapper);
  if (PyModule_AddObject(module, "FileWrapper", wsgi.file_wrapper) < 0) {
    Py_DECREF(wsgi.file_wrapper);
    return -1;
  }
  if (PyModule_AddStringConstant(module, "version", CUTWATER_VERSION) < 0) return -1;
  return PyModule_AddIntConstant(module, "limited_api", kLimitedApi ? 1 : 0);
}

int traverse(PyObject* module, visitproc visit, void* arg) {
  const ModuleState& state = state_of(module);
  Py_VISIT(state.wsgi.input);
  Py_VISIT(state.wsgi.responder);
  Py_VISIT(state.wsgi.file_wrapper);
  Py_VISIT(state.greenlet_team);
  Py_VISIT(state.asgi.worker);
  Py_VISIT(state.asgi.exchange);
  Py_VISIT(state.asgi.awaitable);
  return 0;
}

int clear(PyObject* module) {
  ModuleState& state = state_of(module);
  Py_CLEAR(state.wsgi.input);
  Py_CLEAR(state.wsgi.responder);
  Py_CLEAR(state.wsgi.file_wrapper);
  Py_CLEAR(state.greenlet_team);
  Py_CLEAR(state.asgi.worker);
  Py_CLEAR(state.asgi.exchange);
  Py_CLEAR(state.asgi.awaitable);
  return 0;
}

void destroy(void* module) {
  clear(static_cast<PyObject*>(module));
}

PyMethodDef functions[] = {
    {"serve_wsgi", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(serve_wsgi)),
     METH_VARARGS | METH_KEYWORDS, "Serves requests from the fronts' queues until told to end; returns the reason."},
    {"asgi_worker", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(asgi_worker)),
     METH_VARARGS | METH_KEYWORDS, "The AsgiWorker for an event loop: python/cutwater/asgi.py."},
    {"greenlet_team", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(greenlet_team)),
     METH_VARARGS | METH_KEYWORDS, "The GreenletTeam for a hub: python/cutwater/greenlets.py."},
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
#if !defined(Py_LIMITED_API) && PY_VERSION_HEX >= 0x030D0000
                            // The link's end and the thread team are guarded by it: a free-threaded interpreter takes
                            // it back when it imports this module.
                            {Py_mod_gil, Py_MOD_GIL_USED},
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
