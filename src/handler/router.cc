#include "handler/router.h"

#include <algorithm>

#include "handler/error_pages.h"
#include "message/target.h"

namespace cutwater::handler {

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
  message::Handler* handler = find(exchange.request.path);
  return handler ? handler->handle(exchange) : answer_error(exchange, 404);
}

}  // namespace cutwater::handler
