#include "handler/router.h"

#include <algorithm>

#include "handler/error_pages.h"
#include "message/target.h"

namespace cutwater::handler {

namespace {

// RFC 9110 section 9.3.7: "*" asks for the server's own abilities.
base::Task<void> answer_server_options(message::Exchange& exchange) {
  message::Response response;
  response.status = 204;
  response.headers.add("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
  co_await exchange.response.head(response, {}, true);
}

}  // namespace

void Router::add(std::string_view prefix, message::Handler& handler) {
  while (prefix.ends_with('/')) prefix.remove_suffix(1);
  auto shorter = std::find_if(routes_.begin(), routes_.end(),
                              [&](const Route& route) { return route.prefix.size() < prefix.size(); });
  routes_.insert(shorter, Route{std::string(prefix), &handler});
}

void Router::remove(const message::Handler& handler) {
  std::erase_if(routes_, [&](const Route& route) { return route.handler == &handler; });
}

message::Handler* Router::find(std::string_view path) const {
  for (const Route& route : routes_) {
    if (message::path_has_prefix(path, route.prefix)) return route.handler;
  }
  return nullptr;
}

base::Task<void> Router::handle(message::Exchange& exchange) {
  const message::Request& request = exchange.request;
  // TRACE would echo credentials, CONNECT needs a tunnel nobody configured (faults.md 26).
  if (request.method == "TRACE" || request.method == "CONNECT") {
    return answer_error(exchange, 405, "Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
  }
  if (request.path == "*") return answer_server_options(exchange);
  message::Handler* handler = find(request.path);
  return handler ? handler->handle(exchange) : answer_error(exchange, 404);
}

}  // namespace cutwater::handler
