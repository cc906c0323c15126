// AsgiNames: the strings of the ASGI specification as interned objects, made once.
#pragma once

#include "python/py_api.h"

namespace cutwater::python {

struct AsgiNames {
  // False with a Python exception.
  bool prepare();

  // Types of messages.
  PyRef http_request, http_disconnect, response_start, response_body, response_trailers, response_path, response_hint,
      response_debug;
  PyRef websocket_connect, websocket_receive, websocket_disconnect, websocket_accept, websocket_send, websocket_close,
      denial_start, denial_body;
  // Keys of messages.
  PyRef type, status, headers, body, more_body, trailers, more_trailers, path, links, bytes, text, code, reason,
      subprotocol;
  // Keys of a scope.
  PyRef asgi, http_version, server, client, scheme, method, root_path, raw_path, query_string, state, extensions,
      subprotocols;
  // Methods of futures and tasks.
  PyRef done, set_result, cancel;
};

}  // namespace cutwater::python
