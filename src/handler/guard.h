// Guard: who must let a request through before a handler may answer it.
#pragma once

#include "base/task.h"
#include "message/exchange.h"

namespace cutwater::handler {

class Guard {
 public:
  virtual ~Guard() = default;
  // Has `inner` answer, or answers itself. All outlive the task.
  virtual base::Task<void> pass(message::Exchange& exchange, message::Handler& inner) = 0;
};

}  // namespace cutwater::handler
