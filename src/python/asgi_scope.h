// AsgiScope: the scope of each request, a fresh dict (ASGI 3, HTTP and WebSocket specification 2.5). Cloned from a
// template; the (name, value) pair of each header field is remembered, since clients repeat theirs.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "link/request_record.h"
#include "message/request.h"
#include "python/asgi_names.h"
#include "python/asgi_tls.h"
#include "python/environ.h"
#include "python/py_api.h"

namespace cutwater::python {

class AsgiScope {
 public:
  // `names` outlives this. `state` is the dict that lifespan filled, or nullptr without lifespan. False with a
  // Python exception.
  bool prepare(const AsgiNames& names, PyObject* state);
  // New reference; nullptr with a Python exception. `websocket`: of the handshake of a WebSocket.
  PyObject* build(const message::Request& request, const link::RequestExtras& extras, bool websocket);

 private:
  struct Pair {
    std::string name, value;
    PyRef name_bytes;
    PyRef pair;
  };
  // What all scopes of a kind share.
  PyRef make_template(const char* type, const char* version, std::initializer_list<const char*> extensions) const;
  bool set(PyObject* scope, const PyRef& key, PyRef value) const;
  PyRef fields(const message::Request& request);
  PyObject* pair_of(const message::HeaderField& field, size_t place);
  PyRef subprotocols(const message::Headers& headers) const;
  bool copy_inner(PyObject* scope, const PyRef& key, PyObject* inner) const;

  const AsgiNames* names_ = nullptr;
  PyRef http_, websocket_, state_;
  PyRef asgi_, http_extensions_, websocket_extensions_;
  PyRef plain_extensions_;  // of requests whose answer has no more than a head and a body
  CachedText scheme_, method_, root_path_, remote_address_, server_name_;
  std::vector<Pair> pairs_;  // by place
  AsgiTls tls_;
};

}  // namespace cutwater::python
