#include "serve/fastcgi_exchange.h"

namespace cutwater::serve {

using codec::fastcgi::Role;

FastcgiExchange::FastcgiExchange(ServerState& server, FastcgiExchangeOwner& owner, Output& output,
                                 const codec::fastcgi::ServerSession& session, uint16_t request_id,
                                 const io::Address& peer, const io::Address& local)
    : server_(server),
      owner_(owner),
      request_id_(request_id),
      memory_(server.exchanges.take()),
      writer_(output, owner, memory_->request, server.options, request_id),
      body_(server.loop, server.options, owner),
      core_(server, *memory_, writer_, body_, peer, local) {
  memory_->variables = session.variables(request_id);
  const bool authorizer = session.role(request_id) == Role::kAuthorizer;
  memory_->variables.push_back({"FCGI_ROLE", authorizer ? "AUTHORIZER" : "RESPONDER"});
}

base::Task<void> FastcgiExchange::run() {
  const uint16_t refusal = begin();
  if (!core_.answer_itself(refusal)) {
    auto handling = core_.run_handler();
    co_await handling;
  }
  if (!gone_) {
    auto waiting = owner_.wait_for_room();
    co_await waiting;
  }
  over_ = true;
  core_.report();
  owner_.on_ended(*this);
}

uint16_t FastcgiExchange::begin() {
  RequestHead head(server_.options, *memory_);
  if (const uint16_t status = core_.parse(head); status != 0) return status;
  const message::Request& request = memory_->request;
  if (request.content_length > 0) body_.begin(request.content_length);
  return core_.check();
}

void FastcgiExchange::client_left() {
  if (gone_ || over_) return;
  gone_ = gone_untold_ = true;
  writer_.client_left();
  body_.break_off();
}

bool FastcgiExchange::tell_gone() {
  if (!gone_untold_ || over_) return true;
  message::ClientGoneListener* listener = core_.exchange().gone_listener;
  if (listener == nullptr) return false;
  gone_untold_ = false;
  listener->on_client_gone(true);
  return true;
}

}  // namespace cutwater::serve
