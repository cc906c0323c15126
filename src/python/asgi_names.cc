#include "python/asgi_names.h"

namespace cutwater::python {

bool AsgiNames::prepare() {
  struct Entry {
    PyRef& name;
    const char* text;
  };
  const Entry entries[] = {
      {http_request, "http.request"},
      {http_disconnect, "http.disconnect"},
      {response_start, "http.response.start"},
      {response_body, "http.response.body"},
      {response_trailers, "http.response.trailers"},
      {response_path, "http.response.pathsend"},
      {response_hint, "http.response.early_hint"},
      {response_debug, "http.response.debug"},
      {websocket_connect, "websocket.connect"},
      {websocket_receive, "websocket.receive"},
      {websocket_disconnect, "websocket.disconnect"},
      {websocket_accept, "websocket.accept"},
      {websocket_send, "websocket.send"},
      {websocket_close, "websocket.close"},
      {denial_start, "websocket.http.response.start"},
      {denial_body, "websocket.http.response.body"},
      {type, "type"},
      {status, "status"},
      {headers, "headers"},
      {body, "body"},
      {more_body, "more_body"},
      {trailers, "trailers"},
      {more_trailers, "more_trailers"},
      {path, "path"},
      {links, "links"},
      {bytes, "bytes"},
      {text, "text"},
      {code, "code"},
      {reason, "reason"},
      {subprotocol, "subprotocol"},
      {asgi, "asgi"},
      {http_version, "http_version"},
      {server, "server"},
      {client, "client"},
      {scheme, "scheme"},
      {method, "method"},
      {root_path, "root_path"},
      {raw_path, "raw_path"},
      {query_string, "query_string"},
      {state, "state"},
      {extensions, "extensions"},
      {subprotocols, "subprotocols"},
      {done, "done"},
      {set_result, "set_result"},
      {cancel, "cancel"},
  };
  for (const Entry& entry : entries) {
    entry.name = PyRef::steal(PyUnicode_InternFromString(entry.text));
    if (!entry.name) return false;
  }
  return true;
}

}  // namespace cutwater::python
