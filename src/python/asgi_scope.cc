#include "python/asgi_scope.h"

#include <string>
#include <utility>

#include "base/text.h"
#include "message/grammar.h"
#include "python/calls.h"
#include "python/strings.h"

namespace cutwater::python {
namespace {

constexpr size_t kRememberedPairs = 32;
constexpr size_t kLongestRemembered = 512;  // a longer value is hardly the same again

PyRef bytes_of(std::string_view text) {
  return PyRef::steal(PyBytes_FromStringAndSize(text.data(), static_cast<Py_ssize_t>(text.size())));
}

// (host, port)
PyRef address(PyObject* host, uint16_t port) {
  if (host == nullptr) return {};
  return PyRef::steal(Py_BuildValue("(Oi)", host, static_cast<int>(port)));
}

// What the client sent of the path: of an absolute-form target (RFC 9112 section 3.2.2) without scheme and authority.
std::string_view raw_path_of(std::string_view target) {
  target = target.substr(0, target.find('?'));
  if (target.starts_with('/')) return target;
  const size_t authority = target.find("://");
  if (authority == std::string_view::npos) return target;
  const size_t path = target.find('/', authority + 3);
  return path == std::string_view::npos ? std::string_view("/") : target.substr(path);
}

}  // namespace

PyRef AsgiScope::make_template(const char* type, const char* version,
                               std::initializer_list<const char*> extensions) const {
  PyRef scope = PyRef::steal(Py_BuildValue("{s:s,s:{s:s,s:s},s:{}}", "type", type, "asgi", "version", "3.0",
                                           "spec_version", version, "extensions"));
  if (!scope) return {};
  PyObject* known = PyDict_GetItemWithError(scope.get(), names_->extensions.get());
  for (const char* extension : extensions) {
    PyRef empty = PyRef::steal(PyDict_New());
    if (known == nullptr || !empty || PyDict_SetItemString(known, extension, empty.get()) < 0) return {};
  }
  return scope;
}

bool AsgiScope::prepare(const AsgiNames& names, PyObject* state) {
  names_ = &names;
  state_ = PyRef::share(state);
  http_ = make_template(
      "http", "2.5",
      {"http.response.pathsend", "http.response.trailers", "http.response.early_hint", "http.response.debug"});
  websocket_ = make_template("websocket", "2.5", {"websocket.http.response"});
  if (!http_ || !websocket_) return false;
  asgi_ = PyRef::share(PyDict_GetItemWithError(http_.get(), names.asgi.get()));
  http_extensions_ = PyRef::share(PyDict_GetItemWithError(http_.get(), names.extensions.get()));
  websocket_extensions_ = PyRef::share(PyDict_GetItemWithError(websocket_.get(), names.extensions.get()));
  if (!asgi_ || !http_extensions_ || !websocket_extensions_) return false;
  plain_extensions_ = PyRef::steal(PyDict_Copy(http_extensions_.get()));
  if (!plain_extensions_) return false;
  for (const char* needs_more : {"http.response.trailers", "http.response.early_hint"}) {
    if (PyDict_DelItemString(plain_extensions_.get(), needs_more) < 0) return false;
  }
  return true;
}

bool AsgiScope::set(PyObject* scope, const PyRef& key, PyRef value) const {
  return value && PyDict_SetItem(scope, key.get(), value.get()) == 0;
}

// An application may write into what it is given.
bool AsgiScope::copy_inner(PyObject* scope, const PyRef& key, PyObject* inner) const {
  return set(scope, key, PyRef::steal(PyDict_Copy(inner)));
}

PyObject* AsgiScope::build(const message::Request& request, const link::RequestExtras& extras, bool websocket) {
  const AsgiNames& names = *names_;
  PyRef scope = PyRef::steal(PyDict_Copy((websocket ? websocket_ : http_).get()));
  if (!scope) return nullptr;
  PyObject* dict = scope.get();
  const bool secure = request.scheme == "https";
  std::string_view scheme = websocket ? (secure ? "wss" : "ws") : request.scheme;
  uint16_t port = request.server_port != 0 ? request.server_port : static_cast<uint16_t>(secure ? 443 : 80);
  std::string_view server = request.server_name.empty() ? std::string_view("localhost") : request.server_name;
  const std::string_view raw_path = raw_path_of(request.raw_target);
  auto path =
      PyRef::steal(PyUnicode_DecodeUTF8(request.path.data(), static_cast<Py_ssize_t>(request.path.size()), "replace"));
  const PyRef& http = request.plain_answer ? plain_extensions_ : http_extensions_;
  const PyRef& extensions = websocket ? websocket_extensions_ : http;
  const bool built =
      copy_inner(dict, names.asgi, asgi_.get()) && copy_inner(dict, names.extensions, extensions.get()) &&
      set(dict, names.http_version,
          PyRef::steal(PyUnicode_InternFromString(request.version_minor == 0 ? "1.0" : "1.1"))) &&
      set(dict, names.server, address(server_name_.get(server), port)) &&
      set(dict, names.scheme, PyRef::share(scheme_.get(scheme))) &&
      set(dict, names.root_path, PyRef::share(root_path_.get(extras.script_name))) &&
      set(dict, names.path, std::move(path)) && set(dict, names.raw_path, bytes_of(raw_path)) &&
      set(dict, names.query_string, bytes_of(request.query)) && set(dict, names.headers, fields(request));
  if (!built) return nullptr;
  if (secure && !request.variables.empty()) {
    PyObject* own = PyDict_GetItemWithError(dict, names.extensions.get());
    if (own != nullptr) tls_.add(own, request.variables);
  }
  // By a unix socket there is no address of a client.
  PyRef client = request.remote_address.empty()
                     ? PyRef::share(Py_None)
                     : address(remote_address_.get(request.remote_address), request.remote_port);
  if (!set(dict, names.client, std::move(client))) return nullptr;
  if (state_ && !copy_inner(dict, names.state, state_.get())) return nullptr;
  const bool last = websocket ? set(dict, names.subprotocols, subprotocols(request.headers))
                              : set(dict, names.method, PyRef::share(method_.get(request.method)));
  return last ? scope.release() : nullptr;
}

// Applications look for the framing, which not every front protocol leaves among the fields.
PyRef AsgiScope::fields(const message::Request& request) {
  PyRef list = PyRef::steal(PyList_New(static_cast<Py_ssize_t>(request.headers.size())));
  if (!list) return {};
  bool framed = request.framing == message::BodyFraming::kNone;
  size_t place = 0;
  for (const message::HeaderField& field : request.headers) {
    framed = framed || base::equals_ignoring_case(field.name, "content-length") ||
             base::equals_ignoring_case(field.name, "transfer-encoding");
    PyObject* pair = pair_of(field, place);
    if (pair == nullptr) return {};
    PyList_SetItem(list.get(), static_cast<Py_ssize_t>(place++), pair);
  }
  if (framed) return list;
  std::string length;
  base::append_decimal(length, request.content_length);
  const bool chunked = request.framing == message::BodyFraming::kChunked;
  const message::HeaderField framing =
      chunked ? message::HeaderField{"transfer-encoding", "chunked"} : message::HeaderField{"content-length", length};
  PyRef pair = PyRef::steal(pair_of(framing, place));
  return pair && PyList_Append(list.get(), pair.get()) == 0 ? std::move(list) : PyRef();
}

// New reference.
PyObject* AsgiScope::pair_of(const message::HeaderField& field, size_t place) {
  if (place >= kRememberedPairs) {
    PyRef name = bytes_of(base::to_ascii_lower(field.name));
    PyRef value = bytes_of(field.value);
    return name && value ? PyTuple_Pack(2, name.get(), value.get()) : nullptr;
  }
  if (place >= pairs_.size()) pairs_.resize(place + 1);
  Pair& known = pairs_[place];
  if (known.name != field.name || !known.name_bytes) {
    known.name = field.name;
    known.name_bytes = bytes_of(base::to_ascii_lower(field.name));
    known.pair.reset();
    if (!known.name_bytes) return nullptr;
  }
  if (!known.pair || known.value != field.value) {
    known.pair.reset();
    PyRef value = bytes_of(field.value);
    PyRef pair = value ? PyRef::steal(PyTuple_Pack(2, known.name_bytes.get(), value.get())) : PyRef();
    if (!pair || field.value.size() > kLongestRemembered) return pair.release();
    known.value = field.value;
    known.pair = std::move(pair);
  }
  return PyRef::share(known.pair.get()).release();
}

PyRef AsgiScope::subprotocols(const message::Headers& headers) const {
  PyRef list = PyRef::steal(PyList_New(0));
  for (const message::HeaderField& field : headers) {
    if (!list) return {};
    if (!base::equals_ignoring_case(field.name, "sec-websocket-protocol")) continue;
    for (std::string_view rest = field.value; !rest.empty();) {
      std::string_view protocol = message::next_list_element(rest);
      if (protocol.empty()) continue;
      PyRef text = PyRef::steal(new_latin1(protocol));
      if (!text || PyList_Append(list.get(), text.get()) < 0) return {};
    }
  }
  return list;
}

}  // namespace cutwater::python
