#include "serve/foreign_protocol.h"

#include <chrono>
#include <string>

namespace cutwater::serve {

namespace {

struct Names {
  std::string_view protocol;
  std::string_view directive;  // nginx's
};

bool may_warn(ServerState& server) {
  if (server.loop.now() - server.warned_of_foreigner < std::chrono::seconds(1)) return false;
  server.warned_of_foreigner = server.loop.now();
  return true;
}

Names names_of(Protocol protocol) {
  switch (protocol) {
    case Protocol::kUwsgi:
      return {"uwsgi", "uwsgi_pass"};
    case Protocol::kScgi:
      return {"SCGI", "scgi_pass"};
    case Protocol::kFastcgi:
      return {"FastCGI", "fastcgi_pass"};
    case Protocol::kHttp:
      break;
  }
  return {"HTTP", "proxy_pass"};
}

}  // namespace

void warn_of_foreigner(ServerState& server, const io::Address& local, std::string_view reason) {
  if (!may_warn(server)) return;
  const Names names = names_of(server.options.protocol);
  const bool is_http = server.options.protocol == Protocol::kHttp;
  server.log.warning("CW0406", std::string("listen ")
                                   .append(io::to_text(local))
                                   .append(": no ")
                                   .append(names.protocol)
                                   .append(" request: ")
                                   .append(reason)
                                   .append("\nfix: nginx reaches it by ")
                                   .append(names.directive)
                                   .append(is_http ? "; or set `protocol` of this listener"
                                                   : "; another server or client may need another protocol there"));
}

void warn_of_limit(ServerState& server, const io::Address& local, std::string_view reason) {
  if (!may_warn(server)) return;
  server.log.warning("CW0408", std::string("listen ")
                                   .append(io::to_text(local))
                                   .append(": closed a connection: ")
                                   .append(reason)
                                   .append("\nfix: raise limits.header (bytes) or limits.header_count (how many)"));
}

}  // namespace cutwater::serve
