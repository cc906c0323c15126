#include "serve/foreign_protocol.h"

#include <chrono>
#include <string>

namespace cutwater::serve {

namespace {

struct Names {
  std::string_view protocol;
  std::string_view directive;  // nginx's
};

bool may_warn(ServerState& server, base::Instant& last) {
  if (server.loop.now() - last < std::chrono::seconds(1)) return false;
  last = server.loop.now();
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
  if (!may_warn(server, server.warned_of_foreigner)) return;
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

void warn_of_modifier(ServerState& server, const io::Address& local, uint8_t modifier1) {
  if (!may_warn(server, server.warned_of_modifier)) return;
  server.log.warning("CW0406", std::string("listen ")
                                   .append(io::to_text(local))
                                   .append(": a uwsgi request with modifier1 ")
                                   .append(std::to_string(modifier1))
                                   .append(" was answered 501: Python's are 0 and 30"
                                           "\nfix: remove uwsgi_modifier1 (nginx), or modifier1, where that web server "
                                           "is told of this socket"));
}

}  // namespace cutwater::serve
