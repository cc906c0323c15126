// AsgiExchange: what send() takes.
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/byte_reader.h"
#include "link/response_record.h"
#include "python/asgi_exchange.h"
#include "python/asgi_worker.h"
#include "python/calls.h"
#include "python/strings.h"

namespace cutwater::python {
namespace {

// They are gathered until the last message of them.
constexpr int kMostTrailerFields = 1000;

}  // namespace

bool AsgiExchange::has_type(PyObject* type, const PyRef& name) const {
  return type == name.get() || PyUnicode_Compare(type, name.get()) == 0;
}

PyObject* AsgiExchange::get(PyObject* message, const PyRef& key) const {
  return PyDict_GetItemWithError(message, key.get());
}

// False with a Python exception. A key that is not there is false.
bool AsgiExchange::is_set(PyObject* message, const PyRef& key, bool& value) const {
  PyObject* found = get(message, key);
  if (found == nullptr) {
    value = false;
    return PyErr_Occurred() == nullptr;
  }
  const int truth = PyObject_IsTrue(found);
  value = truth > 0;
  return truth >= 0;
}

// Copied if they could change while they wait, as bytearray and memoryview. Else false with a Python exception.
bool AsgiExchange::as_bytes(PyRef& value, const char* key) {
  if (PyBytes_Check(value.get())) return true;
  PyRef view = PyRef::steal(PyMemoryView_FromObject(value.get()));  // bytes() takes lists of numbers, too
  if (!view && PyErr_ExceptionMatches(PyExc_TypeError) != 0) {
    PyErr_Format(PyExc_TypeError, "\"%s\" must be bytes, not %s", key, type_name(value.get()).c_str());
  }
  value = view ? PyRef::steal(PyBytes_FromObject(view.get())) : PyRef();
  return static_cast<bool>(value);
}

bool AsgiExchange::send(PyObject* message) {
  if (!PyDict_Check(message)) {
    PyErr_Format(PyExc_TypeError, "send() needs a dict, not %s", type_name(message).c_str());
    return false;
  }
  if (!may_send()) return false;
  PyObject* type = get(message, worker_->names().type);
  if (type == nullptr || !PyUnicode_Check(type)) {
    if (PyErr_Occurred() == nullptr)
      PyErr_SetString(PyExc_ValueError, "the message of send() has no \"type\" that is a str");
    return false;
  }
  return websocket_ == WebSocketState::kNone ? send_http(type, message) : send_websocket(type, message);
}

// Else false with a Python exception.
bool AsgiExchange::may_send() const {
  if (worker_ == nullptr || finished_) {
    PyErr_SetString(PyExc_RuntimeError, "send() was called after the application had returned");
    return false;
  }
  if (!worker_->on_its_thread()) return false;
  if ((client_left_ || cancelled_) && !answered_) {
    PyErr_SetString(PyExc_ConnectionResetError, client_left_ ? "the client has left" : "the request was cancelled");
    return false;
  }
  return true;
}

bool AsgiExchange::respond(long status, PyObject* reason, PyObject* headers, PyObject* body, bool more) {
  if (!may_send()) return false;
  if (websocket_ != WebSocketState::kNone || started_) {
    PyErr_SetString(PyExc_RuntimeError, "the response has been started, or is not one of HTTP");
    return false;
  }
  return start_response(status, 200, headers, reason) && add_body(body, bytes_view(body), !more);
}

bool AsgiExchange::unexpected(PyObject* type) const {
  PyErr_Format(PyExc_RuntimeError, "unexpected ASGI message %R: %s", type,
               answered_   ? "the response is complete already"
               : !started_ ? "the response has not been started"
                           : "the response has been started");
  return false;
}

bool AsgiExchange::send_http(PyObject* type, PyObject* message) {
  const AsgiNames& names = worker_->names();
  if (has_type(type, names.response_body)) return started_ && !body_complete_ ? body(message) : unexpected(type);
  if (has_type(type, names.response_start)) return started_ ? unexpected(type) : start(message, 200);
  if (has_type(type, names.response_path)) return started_ && !body_complete_ ? path_body(message) : unexpected(type);
  if (has_type(type, names.response_trailers)) {
    return trailers_follow_ && body_complete_ ? trailers(message) : unexpected(type);
  }
  if (has_type(type, names.response_hint)) return started_ ? unexpected(type) : early_hint(message);
  return has_type(type, names.response_debug) || unexpected(type);
}

// Held back until the first piece of the body, as the specification asks.
bool AsgiExchange::start(PyObject* message, long least) {
  const AsgiNames& names = worker_->names();
  PyObject* status = get(message, names.status);
  if (status == nullptr || !PyLong_Check(status)) {
    if (PyErr_Occurred() == nullptr) PyErr_SetString(PyExc_ValueError, "the response has no \"status\" that is an int");
    return false;
  }
  int too_large = 0;
  const long code = PyLong_AsLongAndOverflow(status, &too_large);  // -1 then, which is refused as any other
  PyObject* headers = get(message, names.headers);
  if (headers == nullptr && PyErr_Occurred() != nullptr) return false;
  PyObject* reason = get(message, names.reason);  // no part of ASGI, but of Tornado
  if (reason == nullptr && PyErr_Occurred() != nullptr) return false;
  if (!is_set(message, names.trailers, trailers_follow_)) return false;
  return start_response(code, least, headers, reason);
}

bool AsgiExchange::start_response(long status, long least, PyObject* headers, PyObject* reason) {
  if (!head_.set_asgi(status, least, headers, reason)) return false;
  declared_ = head_.content_length();
  started_ = true;
  return true;
}

bool AsgiExchange::body(PyObject* message) {
  const AsgiNames& names = worker_->names();
  bool more = false;
  if (!is_set(message, names.more_body, more)) return false;
  PyRef bytes = PyRef::share(get(message, names.body));
  if (!bytes && PyErr_Occurred() != nullptr) return false;
  if (bytes && !as_bytes(bytes, "body")) return false;
  const std::string_view view = bytes ? bytes_view(bytes.get()) : std::string_view();
  return add_body(bytes.get(), view, !more);
}

bool AsgiExchange::add_body(PyObject* owner, std::string_view bytes, bool last) {
  const bool only = last && !head_given_;
  if (only && !declared_ && message::status_allows_body(head_.status()) && !trailers_follow_ &&
      !(head_request_ && bytes.empty())) {
    declared_ = bytes.size();
  }
  sent_ += bytes.size();
  if (!body_allowed()) {
    bytes = {};
  } else if (declared_ && (sent_ > *declared_ || (last && sent_ < *declared_))) {
    PyErr_Format(PyExc_RuntimeError, "the response body is %s than its Content-Length, %llu",
                 sent_ > *declared_ ? "longer" : "shorter", static_cast<unsigned long long>(*declared_));
    return false;
  }
  body_complete_ = last;
  if (answered_) return true;  // of HEAD, 204 and 304 all was said with the head
  const bool nothing_follows = (last && !trailers_follow_) || !body_allowed();
  if (!head_given_) {
    head_given_ = true;
    put({.kind = link::UpKind::kHead, .owner = PyRef::share(owner), .bytes = bytes, .last = nothing_follows});
  } else if (nothing_follows && bytes.empty()) {
    put({.kind = link::UpKind::kEnd, .value = link::kReleases, .last = true});
  } else if (!bytes.empty()) {
    put({.kind = link::UpKind::kBody, .owner = PyRef::share(owner), .bytes = bytes, .last = nothing_follows});
  }
  return true;
}

bool AsgiExchange::encode_pairs(PyObject* pairs, std::string& to) {
  ResponseHead fields(HopByHop::kDrop);
  if (!fields.set_asgi(200, 200, pairs)) return false;
  const message::Headers& headers = fields.response(std::nullopt).headers;
  size_t size = sizeof(uint16_t);
  for (const message::HeaderField& field : headers) size += 6 + field.name.size() + field.value.size();
  to.resize(size);
  base::ByteWriter writer({to.data(), to.size()});
  to.resize(link::encode_fields(headers, writer));
  if (!to.empty() && to.size() <= worker_->link().maximum_up_payload()) return true;
  PyErr_Format(PyExc_ValueError, "the headers are longer than %u bytes together", worker_->link().maximum_up_payload());
  return false;
}

bool AsgiExchange::put_fields(link::UpKind kind, PyObject* pairs) {
  std::string record;
  if (!encode_pairs(pairs, record)) return false;
  PyRef owner = PyRef::steal(PyBytes_FromStringAndSize(record.data(), static_cast<Py_ssize_t>(record.size())));
  if (!owner) return false;
  const std::string_view bytes = bytes_view(owner.get());
  put({.kind = kind, .owner = std::move(owner), .bytes = bytes});
  return true;
}

bool AsgiExchange::trailers(PyObject* message) {
  const AsgiNames& names = worker_->names();
  bool more = false;
  if (!is_set(message, names.more_trailers, more)) return false;
  if (answered_) return true;
  PyObject* pairs = get(message, names.headers);
  if (pairs == nullptr && PyErr_Occurred() != nullptr) return false;
  if (!trailer_fields_) trailer_fields_ = PyRef::steal(PyList_New(0));
  if (!trailer_fields_) return false;
  const Py_ssize_t end = PyList_Size(trailer_fields_.get());
  if (pairs != nullptr && PyList_SetSlice(trailer_fields_.get(), end, end, pairs) < 0) return false;
  if (PyList_Size(trailer_fields_.get()) > kMostTrailerFields) {
    PyErr_Format(PyExc_ValueError, "more than %d trailer fields", kMostTrailerFields);
    return false;
  }
  if (more) return true;
  const PyRef fields = std::move(trailer_fields_);
  if (PyList_Size(fields.get()) > 0 && !put_fields(link::UpKind::kTrailers, fields.get())) return false;
  put({.kind = link::UpKind::kEnd, .value = link::kReleases, .last = true});
  return true;
}

bool AsgiExchange::early_hint(PyObject* message) {
  PyObject* links = get(message, worker_->names().links);
  if (links == nullptr) {
    if (PyErr_Occurred() == nullptr) PyErr_SetString(PyExc_ValueError, "an early hint has no \"links\"");
    return false;
  }
  if (PyUnicode_Check(links) || PyBytes_Check(links)) {
    PyErr_Format(PyExc_TypeError, "\"links\" must be a list of bytes, not %s", type_name(links).c_str());
    return false;
  }
  PyRef pairs = PyRef::steal(PyList_New(0));
  PyRef iterator = PyRef::steal(PyObject_GetIter(links));
  if (!pairs || !iterator) return false;
  while (PyRef link = PyRef::steal(PyIter_Next(iterator.get()))) {
    PyRef pair = PyRef::steal(Py_BuildValue("(yO)", "link", link.get()));
    if (!pair || PyList_Append(pairs.get(), pair.get()) < 0) return false;
  }
  return PyErr_Occurred() == nullptr && put_fields(link::UpKind::kEarlyHints, pairs.get());
}

// With this worker's rights; the front sends it.
bool AsgiExchange::path_body(PyObject* message) {
  PyObject* path = get(message, worker_->names().path);
  PyObject* encoded = nullptr;
  if (path == nullptr || PyUnicode_FSConverter(path, &encoded) == 0) {
    if (PyErr_Occurred() == nullptr) PyErr_SetString(PyExc_ValueError, "http.response.pathsend has no \"path\"");
    return false;
  }
  PyRef name = PyRef::steal(encoded);
  base::FileDescriptor file(::open(PyBytes_AsString(name.get()), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  struct stat status {};
  if (!file.valid() || ::fstat(file.get(), &status) != 0) {
    PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, path);
    return false;
  }
  if (!S_ISREG(status.st_mode)) {
    PyErr_Format(PyExc_OSError, "%R is no regular file", path);
    return false;
  }
  const auto size = static_cast<uint64_t>(status.st_size);
  if (!declared_ && sent_ == 0) declared_ = size;
  const uint64_t length = std::min(size, declared_.value_or(size) - std::min(sent_, declared_.value_or(sent_)));
  if (length == 0 || !body_allowed()) return add_body(nullptr, {}, true);
  if (!head_given_) {
    head_given_ = true;
    put({.kind = link::UpKind::kHead});
    if (answered_) return true;  // it could not be sent
  }
  sent_ += length;
  body_complete_ = true;
  put({.kind = link::UpKind::kFile, .owner = {}, .bytes = {}, .file = std::move(file), .offset = 0, .length = length});
  if (trailers_follow_ || answered_) return true;
  put({.kind = link::UpKind::kEnd, .value = link::kReleases, .last = true});
  return true;
}

}  // namespace cutwater::python
