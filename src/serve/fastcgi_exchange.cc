#include "serve/fastcgi_exchange.h"

#include "base/text.h"

namespace cutwater::serve {

using codec::fastcgi::Role;

namespace {

// FCGI_ROLE, as the specification names it.
std::string_view name_of(Role role) {
  if (role == Role::kAuthorizer) return "AUTHORIZER";
  return role == Role::kFilter ? "FILTER" : "RESPONDER";
}

}  // namespace

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
  const Role role = session.role(request_id);
  memory_->variables.push_back({"FCGI_ROLE", name_of(role)});
  if (role != Role::kAuthorizer) streams_left_ = role == Role::kFilter ? 2 : 1;
  if (role != Role::kFilter) return;
  data_.emplace(server.loop, server.options, owner);
  core_.exchange().data = &*data_;
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
  const uint16_t refusal = core_.check();
  return refusal == 0 && data_ ? begin_data() : refusal;
}

// A filter's data are as long as the web server says (specification section 6.4).
uint16_t FastcgiExchange::begin_data() {
  const auto said = memory_->request.variables.get("FCGI_DATA_LENGTH");
  const auto length = said ? base::parse_decimal(*said) : std::nullopt;
  if (!length) {
    core_.refused_because("a filter's FCGI_DATA_LENGTH is missing, or no length");
    return 400;
  }
  if (*length > server_.options.body_limit) {
    core_.refused_because("a filter's data are over limits.body");
    return 413;
  }
  if (*length > 0) data_->begin(*length);
  return 0;
}

void FastcgiExchange::take(const codec::fastcgi::ServerSession::Event& event) {
  using Event = codec::fastcgi::ServerSession::Event;
  if (event.kind == Event::kStdin) return body_.feed(event.piece);
  if (event.kind == Event::kData && data_) return data_->feed(event.piece);
  if (event.kind != Event::kStdinEnd && event.kind != Event::kDataEnd) return;
  --streams_left_;
  if (event.kind == Event::kStdinEnd) {
    body_.end();
  } else if (data_) {
    data_->end();
  }
}

void FastcgiExchange::client_left() {
  if (gone_ || over_) return;
  gone_ = gone_untold_ = true;
  writer_.client_left();
  body_.break_off();
  if (data_) data_->break_off();
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
