#include "serve/fastcgi_exchange.h"

#include "base/text.h"

namespace cutwater::serve {

using codec::fastcgi::Role;

namespace {

constexpr std::string_view kDataLength = "FCGI_DATA_LENGTH";

// FCGI_ROLE, as the specification names it.
std::string_view name_of(Role role) {
  if (role == Role::kAuthorizer) return "AUTHORIZER";
  return role == Role::kFilter ? "FILTER" : "RESPONDER";
}

// lighttpd leaves CONTENT_LENGTH out for an authorizer, as it should, and HTTP_CONTENT_LENGTH in.
bool tells_of_body(const codec::Variable& variable) {
  return variable.name == "CONTENT_LENGTH" || variable.name == "HTTP_CONTENT_LENGTH" ||
         variable.name == "HTTP_TRANSFER_ENCODING";
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
  if (role == Role::kAuthorizer) std::erase_if(memory_->variables, tells_of_body);
  if (role != Role::kFilter) return;
  data_.emplace(server.loop, server.options, owner);
  core_.exchange().data = &*data_;
}

void FastcgiExchange::start_refused(uint16_t status, const char* reason) {
  refused_ = status;
  core_.refused_because(reason);
  start();
}

base::Task<void> FastcgiExchange::run() {
  uint16_t refusal = begin();
  if (refusal == 0 && must_be_empty_) {
    auto waiting = wait_for_empty_body();
    refusal = co_await waiting;
  }
  if (!gone_ && !core_.answer_itself(refusal)) {
    auto handling = core_.start_handler();
    auto caught = handling.caught();
    const std::exception_ptr failure = co_await caught;
    core_.end_handler(failure);
    if (spoilt_) core_.refused_because(spoilt_);
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
  if (refused_ != 0) return refused_;
  RequestHead head(server_.options, *memory_);
  if (const uint16_t status = core_.parse(head); status != 0) return status;
  begin_body();
  const uint16_t refusal = core_.check();
  return refusal == 0 && data_ ? begin_data() : refusal;
}

void FastcgiExchange::begin_body() {
  const message::Request& request = memory_->request;
  if (streams_left_ == 0) {  // an authorizer is sent none (section 6.3), whatever it was told
    body_.end();
  } else if (request.framing == message::BodyFraming::kChunked) {
    body_.begin_unannounced();
  } else {
    body_.begin(request.content_length);
    must_be_empty_ = request.content_length == 0;
  }
}

// A body that nobody announced must not be lost: the request would be answered as if it had none.
base::Task<uint16_t> FastcgiExchange::wait_for_empty_body() {
  auto reading = body_.read_end();
  const message::BodyStatus status = co_await reading;
  switch (status) {
    case message::BodyStatus::kTimedOut:
      core_.refused_because("STDIN does not end");
      co_return 408;
    case message::BodyStatus::kMalformed:
      core_.refused_because(spoilt_ ? spoilt_ : "a body without CONTENT_LENGTH");
      co_return 400;
    default:
      co_return 0;
  }
}

// A filter's data are as long as the web server says (specification section 6.4).
uint16_t FastcgiExchange::begin_data() {
  const message::Headers& said = memory_->request.variables;
  const bool once = said.count(kDataLength) == 1;
  const auto length = once ? base::parse_decimal(*said.get(kDataLength)) : std::nullopt;
  if (!length) {
    core_.refused_because("a filter's FCGI_DATA_LENGTH is missing, said twice, or no length");
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
  if (event.kind == Event::kMisordered) return spoil(event.reason);
  if (event.kind != Event::kStdinEnd && event.kind != Event::kDataEnd) return;
  --streams_left_;
  if (event.kind == Event::kStdinEnd) {
    body_.end();
  } else if (data_) {
    data_->end();
  }
}

// As if the body were of another length than was announced: no handler takes it for whole (faults.md 99).
void FastcgiExchange::spoil(const char* reason) {
  spoilt_ = reason;
  body_.spoil();
  if (data_) data_->spoil();
}

bool FastcgiExchange::spill_to(BodySpool& spool) {
  bool spills = body_.full() && body_.spill_to(spool);
  if (data_ && data_->full() && data_->spill_to(spool)) spills = true;
  return spills;
}

void FastcgiExchange::set_held_up(bool held_up) {
  body_.set_held_up(held_up);
  if (data_) data_->set_held_up(held_up);
}

void FastcgiExchange::abort() {
  aborted_ = true;
  client_left();
}

void FastcgiExchange::client_left() {
  if (gone_ || over_) return;
  gone_ = gone_untold_ = true;
  writer_.client_left();
  body_.break_off();
  if (data_) data_->break_off();
}

void FastcgiExchange::sending_ended() {
  if (streams_left_ > 0) return client_left();
  writer_.peer_hung_up();
  gone_untold_ = !gone_ && !over_;
}

bool FastcgiExchange::cut() {
  task_.cancel_all();
  core_.cut();
  return writer_.complete();
}

bool FastcgiExchange::tell_gone() {
  if (!gone_untold_ || over_) return true;
  message::ClientGoneListener* listener = core_.exchange().gone_listener;
  if (listener == nullptr) return false;
  gone_untold_ = false;
  if (listener->on_client_gone(gone_)) return true;
  gone_untold_ = true;
  return false;
}

}  // namespace cutwater::serve
