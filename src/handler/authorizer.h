// Authorizer: lets a request through to a handler when a FastCGI program in the authorizer role says 200, and
// passes on what that calls Variable-NAME; else the program's answer is the client's (specification section 6.3).
#pragma once

#include "base/task.h"
#include "handler/gateway.h"
#include "handler/guard.h"
#include "message/exchange.h"

namespace cutwater::handler {

class Authorizer final : public Guard {
 public:
  // `gateway` asks in that role, and outlives this.
  explicit Authorizer(Gateway& gateway) : gateway_(gateway) {}

  base::Task<void> pass(message::Exchange& exchange, message::Handler& inner) override;

 private:
  Gateway& gateway_;
};

}  // namespace cutwater::handler
