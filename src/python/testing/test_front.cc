// The module `_cutwater_test_front`: a front's end of the link for tests in Python, which play master and
// front without a network. Not part of the product.
#include <memory>
#include <string>
#include <vector>

#include "base/file_descriptor.h"
#include "link/front_link.h"
#include "link/response_record.h"
#include "link/segment.h"
#include "message/request.h"
#include "python/calls.h"
#include "python/py_api.h"
#include "python/strings.h"

namespace cutwater::python {
namespace {

PyObject* new_bytes(std::string_view text) {
  return PyBytes_FromStringAndSize(text.data(), static_cast<Py_ssize_t>(text.size()));
}

// Collects the frames of one drain() as tuples (kind, lane, slot, generation, value, payload); the payload of
// a head is (status, reason, length or None, [(name, value)], body).
class Collector : public link::UpReceiver {
 public:
  void on_frame(uint32_t lane, link::Ticket ticket, const link::FrameHeader& frame, std::string_view payload) override {
    bool is_head = frame.kind == static_cast<uint16_t>(link::UpKind::kHead);
    PyRef content = PyRef::steal(is_head ? head(payload) : new_bytes(payload));
    add(Py_BuildValue("(iIIIIO)", int{frame.kind}, lane, ticket.slot, ticket.generation, frame.value,
                      content ? content.get() : Py_None));
  }
  void on_broken_lane(uint32_t lane, std::string_view why) override {
    add(Py_BuildValue("(iIIIIs#)", -1, lane, 0u, 0u, 0u, why.data(), static_cast<Py_ssize_t>(why.size())));
  }
  PyObject* take() {
    PyObject* taken = frames_.release();
    frames_ = PyRef::steal(PyList_New(0));
    return taken;
  }

 private:
  void add(PyObject* frame) {
    PyRef owned = PyRef::steal(frame);
    if (owned) PyList_Append(frames_.get(), owned.get());
  }
  static PyObject* head(std::string_view payload) {
    std::string storage;
    message::Response response;
    std::string_view body;
    if (!link::read_head_payload(payload, storage, response, body)) return new_bytes("damaged head");
    PyRef fields = PyRef::steal(PyList_New(0));
    for (const auto& field : response.headers) {
      PyRef pair = PyRef::steal(Py_BuildValue("(NN)", new_latin1(field.name), new_latin1(field.value)));
      PyList_Append(fields.get(), pair.get());
    }
    PyRef length = response.content_length ? PyRef::steal(PyLong_FromUnsignedLongLong(*response.content_length))
                                           : PyRef::share(Py_None);
    return Py_BuildValue("(iNOON)", int{response.status}, new_latin1(response.reason), length.get(), fields.get(),
                         new_bytes(body));
  }

  PyRef frames_ = PyRef::steal(PyList_New(0));
};

struct State {
  State(link::Segment segment, uint32_t index) : link(std::move(segment), index, collector) {}
  Collector collector;
  link::FrontLink link;
};

struct Front {
  PyObject_HEAD State* state;
};

State& state_of(PyObject* self) {
  return *reinterpret_cast<Front*>(self)->state;
}

PyObject* front_new(PyTypeObject* type, PyObject* arguments, PyObject*) {
  int descriptor = -1;
  unsigned int index = 0;
  if (!PyArg_ParseTuple(arguments, "iI", &descriptor, &index)) return nullptr;
  auto segment = link::Segment::map(descriptor);
  if (!segment) return PyErr_Format(PyExc_OSError, "%s", segment.error().message.c_str());
  auto* self = new_instance<Front>(reinterpret_cast<PyObject*>(type));
  if (self != nullptr) self->state = new State(std::move(segment).value(), index);
  return reinterpret_cast<PyObject*>(self);
}

void front_free(PyObject* self) {
  delete reinterpret_cast<Front*>(self)->state;
  free_instance(self);
}

PyObject* attach_lane(PyObject* self, PyObject* arguments) {
  unsigned int lane = 0;
  int wake = -1;
  int socket = -1;
  if (!PyArg_ParseTuple(arguments, "Iii", &lane, &wake, &socket)) return nullptr;
  state_of(self).link.attach_lane(lane, base::FileDescriptor(wake), base::FileDescriptor(socket));
  Py_RETURN_NONE;
}

std::string_view text_of(const char* data, Py_ssize_t size) {
  return {data, static_cast<size_t>(size)};
}

// Of a list of (name, value), both bytes.
void add_pairs(PyObject* pairs, message::Headers& to) {
  for (Py_ssize_t index = 0; index < list_size(pairs); ++index) {
    PyObject* pair = list_item(pairs, index);
    to.add(bytes_view(tuple_item(pair, 0)), bytes_view(tuple_item(pair, 1)));
  }
}

// submit(method, target, path, query, scheme, minor, fields, body, framing, place, body_length, script_name,
// remote, remote_port, server, server_port, websocket, variables) -> (slot, generation) or None. All texts are bytes.
PyObject* submit(PyObject* self, PyObject* arguments) {
  const char* texts[9];
  Py_ssize_t sizes[9];
  int minor = 1;
  int framing = 0;
  int place = 0;
  unsigned long long body_length = 0;
  PyObject* fields = nullptr;
  unsigned short remote_port = 0;
  unsigned short server_port = 0;
  int websocket = 0;
  PyObject* variables = nullptr;
  if (!PyArg_ParseTuple(arguments, "y#y#y#y#y#iO!y#iiKy#y#Hy#H|pO!", &texts[0], &sizes[0], &texts[1], &sizes[1],
                        &texts[2], &sizes[2], &texts[3], &sizes[3], &texts[4], &sizes[4], &minor, &PyList_Type, &fields,
                        &texts[5], &sizes[5], &framing, &place, &body_length, &texts[6], &sizes[6], &texts[7],
                        &sizes[7], &remote_port, &texts[8], &sizes[8], &server_port, &websocket, &PyList_Type,
                        &variables)) {
    return nullptr;
  }
  message::Request request;
  request.method = text_of(texts[0], sizes[0]);
  request.raw_target = text_of(texts[1], sizes[1]);
  request.path = text_of(texts[2], sizes[2]);
  request.query = text_of(texts[3], sizes[3]);
  request.scheme = text_of(texts[4], sizes[4]);
  request.version_minor = static_cast<uint8_t>(minor);
  request.framing = static_cast<message::BodyFraming>(framing);
  std::string_view body = text_of(texts[5], sizes[5]);
  request.content_length = body.size();
  request.remote_address = text_of(texts[7], sizes[7]);
  request.remote_port = remote_port;
  request.server_name = request.authority = text_of(texts[8], sizes[8]);
  request.server_port = server_port;
  add_pairs(fields, request.headers);
  if (variables != nullptr) add_pairs(variables, request.variables);
  link::RequestExtras extras;
  extras.script_name = text_of(texts[6], sizes[6]);
  extras.body_place = static_cast<link::BodyPlace>(place);
  extras.body_length = body_length;
  extras.websocket = websocket != 0;
  auto ticket = state_of(self).link.submit(request, extras, body);
  if (!ticket) Py_RETURN_NONE;
  return Py_BuildValue("(II)", ticket->slot, ticket->generation);
}

PyObject* drain(PyObject* self, PyObject*) {
  State& state = state_of(self);
  while (state.link.drain()) {
  }
  return state.collector.take();
}

PyObject* wake_workers(PyObject* self, PyObject*) {
  state_of(self).link.wake_workers();
  Py_RETURN_NONE;
}

PyObject* prepare_to_sleep(PyObject* self, PyObject*) {
  return PyBool_FromLong(state_of(self).link.prepare_to_sleep());
}

PyObject* awake(PyObject* self, PyObject*) {
  state_of(self).link.awake();
  Py_RETURN_NONE;
}

// send_down(lane, kind, slot, generation, value, payload=b"") -> False: the ring is full.
PyObject* send_down(PyObject* self, PyObject* arguments) {
  unsigned int lane = 0;
  int kind = 0;
  unsigned int slot = 0;
  unsigned int generation = 0;
  unsigned int value = 0;
  const char* payload = "";
  Py_ssize_t size = 0;
  if (!PyArg_ParseTuple(arguments, "IiIII|y#", &lane, &kind, &slot, &generation, &value, &payload, &size)) {
    return nullptr;
  }
  bool sent = state_of(self).link.send_down(lane, static_cast<link::DownKind>(kind), {slot, generation}, value,
                                            text_of(payload, size));
  return PyBool_FromLong(sent);
}

PyObject* retire_lane(PyObject* self, PyObject* arguments) {
  unsigned int lane = 0;
  if (!PyArg_ParseTuple(arguments, "I", &lane)) return nullptr;
  state_of(self).link.retire_lane(lane);
  Py_RETURN_NONE;
}

// lane_died(lane) -> [(slot, generation)] it had claimed and not ended.
PyObject* lane_died(PyObject* self, PyObject* arguments) {
  unsigned int lane = 0;
  if (!PyArg_ParseTuple(arguments, "I", &lane)) return nullptr;
  PyRef lost = PyRef::steal(PyList_New(0));
  for (link::Ticket ticket : state_of(self).link.lane_died(lane)) {
    PyRef pair = PyRef::steal(Py_BuildValue("(II)", ticket.slot, ticket.generation));
    if (!pair || PyList_Append(lost.get(), pair.get()) < 0) return nullptr;
  }
  return lost.release();
}

PyObject* in_use(PyObject* self, PyObject*) {
  return PyLong_FromUnsignedLong(state_of(self).link.in_use());
}

PyObject* send_body(PyObject* self, PyObject* arguments) {
  unsigned int lane = 0;
  unsigned int slot = 0;
  unsigned int generation = 0;
  int file = -1;
  if (!PyArg_ParseTuple(arguments, "IIIi", &lane, &slot, &generation, &file)) return nullptr;
  return PyBool_FromLong(state_of(self).link.send_body_descriptor(lane, {slot, generation}, file));
}

PyObject* receive_file(PyObject* self, PyObject* arguments) {
  unsigned int lane = 0;
  unsigned int slot = 0;
  unsigned int generation = 0;
  unsigned int id = 0;
  if (!PyArg_ParseTuple(arguments, "IIII", &lane, &slot, &generation, &id)) return nullptr;
  return PyLong_FromLong(state_of(self).link.receive_file_descriptor(lane, {slot, generation}, id).release());
}

PyObject* create_segment(PyObject*, PyObject* arguments) {
  link::Layout layout;
  if (!PyArg_ParseTuple(arguments, "II", &layout.fronts, &layout.lanes)) return nullptr;
  auto segment = link::create_segment(layout);
  if (!segment) return PyErr_Format(PyExc_OSError, "%s", segment.error().message.c_str());
  return PyLong_FromLong(segment->release());
}

PyMethodDef front_methods[] = {{"attach_lane", attach_lane, METH_VARARGS, nullptr},
                               {"submit", submit, METH_VARARGS, nullptr},
                               {"drain", drain, METH_NOARGS, nullptr},
                               {"wake_workers", wake_workers, METH_NOARGS, nullptr},
                               {"prepare_to_sleep", prepare_to_sleep, METH_NOARGS, nullptr},
                               {"awake", awake, METH_NOARGS, nullptr},
                               {"send_down", send_down, METH_VARARGS, nullptr},
                               {"retire_lane", retire_lane, METH_VARARGS, nullptr},
                               {"lane_died", lane_died, METH_VARARGS, nullptr},
                               {"in_use", in_use, METH_NOARGS, nullptr},
                               {"send_body", send_body, METH_VARARGS, nullptr},
                               {"receive_file", receive_file, METH_VARARGS, nullptr},
                               {nullptr, nullptr, 0, nullptr}};
PyType_Slot front_slots[] = {{Py_tp_new, reinterpret_cast<void*>(front_new)},
                             {Py_tp_dealloc, reinterpret_cast<void*>(front_free)},
                             {Py_tp_methods, front_methods},
                             {0, nullptr}};
PyType_Spec front_spec = {"_cutwater_test_front.Front", sizeof(Front), 0, Py_TPFLAGS_DEFAULT, front_slots};

PyMethodDef functions[] = {{"create_segment", create_segment, METH_VARARGS, nullptr}, {nullptr, nullptr, 0, nullptr}};

int execute(PyObject* module) {
  return PyModule_AddObject(module, "Front", PyType_FromSpec(&front_spec));
}

PyModuleDef_Slot slots[] = {{Py_mod_exec, reinterpret_cast<void*>(execute)}, {0, nullptr}};
PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_cutwater_test_front", nullptr, 0, functions, slots, nullptr, nullptr, nullptr};

}  // namespace
}  // namespace cutwater::python

extern "C" __attribute__((visibility("default"))) PyObject* PyInit__cutwater_test_front() {
  return PyModuleDef_Init(&cutwater::python::definition);
}
