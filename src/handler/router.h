// Router: the root handler of a front: path -> handler. Configured routes are tried in their order; what is mounted at
// a prefix (apps, the folders they bring) answers the rest, the longest prefix first, and also what a route takes only
// by a shorter prefix: "/*" hides no app at "/shop". But whoever guards the route guards that too: what is written for
// "/*" is meant for everything below. Prefixes are whole path segments: "/files" takes /files and
// /files/a, never /filesystem (faults.md 53). Routes change only between turns of the loop.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "handler/guard.h"
#include "message/exchange.h"

namespace cutwater::handler {

struct RoutePattern {
  std::string path;    // "/static/" and "/static" mean the same prefix; "" and "/" are every path
  bool exact = false;  // `path` alone, nothing below it
};

class Router : public message::Handler {
 public:
  // Behind those added before. `handler` and `guard` outlive the router.
  void add_route(RoutePattern pattern, message::Handler& handler, Guard* guard = nullptr);
  // "/static/" and "/static" mean the same; "" and "/" take every path. Of equal prefixes the one added first wins.
  // `handler` must stay alive until it was removed and the tasks it had begun are over.
  void add(std::string_view prefix, message::Handler& handler);
  void remove(const message::Handler& handler);

  struct Match {
    message::Handler* handler;
    Guard* guard;  // nullptr: nobody
  };
  Match match(std::string_view path) const;
  message::Handler* find(std::string_view path) const { return match(path).handler; }
  base::Task<void> handle(message::Exchange& exchange) override;

 private:
  struct Route {
    std::string prefix;  // without the final '/'
    message::Handler* handler;
  };
  struct OrderedRoute {
    RoutePattern pattern;
    message::Handler* handler;
    Guard* guard;
  };
  const OrderedRoute* first_route(std::string_view path) const;

  std::vector<OrderedRoute> ordered_;
  std::vector<Route> routes_;  // longest first
};

}  // namespace cutwater::handler
