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

void Router::add_route(RoutePattern pattern, message::Handler& handler, Guard* guard) {
  while (!pattern.exact && pattern.path.ends_with('/')) pattern.path.pop_back();
  ordered_.push_back({std::move(pattern), &handler, guard});
}

const Router::OrderedRoute* Router::first_route(std::string_view path) const {
  for (const OrderedRoute& route : ordered_) {
    const RoutePattern& pattern = route.pattern;
    if (pattern.exact ? path == pattern.path : message::path_has_prefix(path, pattern.path)) return &route;
  }
  return nullptr;
}

Router::Match Router::match(std::string_view path) const {
  const OrderedRoute* first = first_route(path);
  Guard* guard = first ? first->guard : nullptr;
  for (const Route& route : routes_) {
    if (first && (first->pattern.exact || route.prefix.size() <= first->pattern.path.size())) break;
    if (message::path_has_prefix(path, route.prefix)) return {route.handler, guard};
  }
  return {first ? first->handler : nullptr, guard};
}

base::Task<void> Router::handle(message::Exchange& exchange) {
  const Match found = match(exchange.request.path);
  if (!found.handler) return answer_error(exchange, 404);
  return found.guard ? found.guard->pass(exchange, *found.handler) : found.handler->handle(exchange);
}

}  // namespace cutwater::handler
