// Router: the root handler of a front. Longest prefix of whole path segments -> handler; "/files" takes /files and
// /files/a, never /filesystem (faults.md 53). Routes change only between turns of the loop.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "message/exchange.h"

namespace cutwater::handler {

class Router : public message::Handler {
 public:
  // "/static/" and "/static" mean the same; "" and "/" take every path. Of equal prefixes the one added first wins.
  // `handler` must stay alive until it was removed and the tasks it had begun are over.
  void add(std::string_view prefix, message::Handler& handler);
  void remove(const message::Handler& handler);

  message::Handler* find(std::string_view path) const;
  base::Task<void> handle(message::Exchange& exchange) override;

 private:
  struct Route {
    std::string prefix;  // without the final '/'
    message::Handler* handler;
  };
  std::vector<Route> routes_;  // longest first
};

}  // namespace cutwater::handler
