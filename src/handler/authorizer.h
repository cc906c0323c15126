// Authorizer: lets a request through to another handler when a FastCGI program in the authorizer role says 200, and
// passes on what that calls Variable-NAME; else the program's answer is the client's (specification section 6.3).
#pragma once

#include "base/task.h"
#include "handler/gateway.h"
#include "message/exchange.h"

namespace cutwater::handler {

class Authorizer final : public message::Handler {
 public:
  // Both outlive this. `gateway` asks in that role.
  Authorizer(Gateway& gateway, message::Handler& inner) : gateway_(gateway), inner_(inner) {}

  base::Task<void> handle(message::Exchange& exchange) override;

 private:
  Gateway& gateway_;
  message::Handler& inner_;
};

}  // namespace cutwater::handler
