#include "handler/gateway_exchange.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/text.h"
#include "codec/http1/request_encoder.h"
#include "handler/error_pages.h"
#include "handler/file_body.h"
#include "handler/gateway_late_end.h"
#include "handler/gateway_request.h"
#include "handler/kept_head.h"
#include "handler/refusals.h"
#include "handler/spooled_answer.h"
#include "handler/web_server_fields.h"

namespace cutwater::handler {

using message::BodyStatus;
using message::WriteStatus;
using upstream::CallPiece;
using upstream::CallStatus;

namespace {

// Of the body of an answer that names another one, which nobody reads.
constexpr size_t kMostSwallowed = 64 * 1024;

bool is_interim(const message::Response& response) {
  return response.status < 200 && response.status != 101;
}

}  // namespace

GatewayExchange::GatewayExchange(Gateway& gateway, message::Exchange& exchange, upstream::RequestBody& body,
                                 const Script* script, const FilteredFile* file)
    : gateway_(gateway),
      exchange_(exchange),
      body_(body),
      script_(script),
      file_(file),
      errors_(gateway.log_, gateway.stderr_pace_, gateway.who(), exchange.id, "CW0608", exchange.request.method,
              exchange.request.path) {}

GatewayExchange::~GatewayExchange() {
  exchange_.gone_listener = nullptr;
}

bool GatewayExchange::on_client_gone(bool for_good) {
  if (!for_good) return false;
  if (tunnel_) {
    tunnel_->client_gone();
    return true;
  }
  client_gone_ = true;
  if (waiting_) waiting_->leave();
  if (call_) call_->abandon();
  return true;
}

base::Task<void> GatewayExchange::run() {
  if (body_.is_small() && !body_.complete()) {
    auto collecting = body_.collect();
    const BodyStatus collected = co_await collecting;
    if (collected != BodyStatus::kEnd) {
      auto answering = answer_client_failure(collected);
      co_await answering;
      co_return;
    }
  }
  exchange_.gone_listener = this;
  if (gateway_.pool_) {
    auto running = run_in_pool();
    co_await running;
    co_return;
  }
  const GatewayOptions& options = gateway_.options_;
  end_ = gateway_.loop_.now() + options.timeout;
  unsigned retries = options.retries;
  while (!client_gone_) {
    const auto peer = gateway_.group_.pick(exchange_.request.remote_address, tried_, gateway_.loop_.now());
    if (!peer) break;
    keeps_ = peer->keeps_connections();
    auto head = request_head(options.protocol,
                             {exchange_, body_, options.strip, options.instance, script_, file_, options.role, keeps_});
    if (!head) {
      note_too_long();
      auto refusing = answer_error(exchange_, 431);
      co_await refusing;
      co_return;
    }
    head_ = std::move(*head);
    asked_ = asked_ || peer->available(gateway_.loop_.now());
    use_.emplace(*peer);
    auto trying = try_peer(*peer);
    const Outcome outcome = co_await trying;
    use_.reset();
    if (outcome == Outcome::kAnswered) co_return;
    if (!may_repeat(outcome)) break;
    body_.rewind();
    if (outcome == Outcome::kStale || outcome == Outcome::kNoRoom || outcome == Outcome::kInCompany) {
      only_fresh_ = true;
      alone_ = alone_ || outcome == Outcome::kInCompany;
      continue;
    }
    tried_.push_back(peer.get());
    if (retries-- == 0 || gateway_.loop_.now() >= end_) break;
  }
  if (client_gone_) co_return;
  if (!asked_) {
    auto answering = answer_nobody_up();
    co_await answering;
    co_return;
  }
  auto answering = answer_error(exchange_, failure_, cause_);
  co_await answering;
}

bool GatewayExchange::may_repeat(Outcome outcome) const {
  if (outcome == Outcome::kFinal || !body_.replayable()) return false;
  if (outcome == Outcome::kInCompany && gateway_.loop_.now() >= end_) return false;
  return outcome == Outcome::kUndelivered || outcome == Outcome::kNoRoom ||
         codec::http1::is_idempotent(exchange_.request.method);
}

base::Task<GatewayExchange::Outcome> GatewayExchange::try_peer(upstream::Peer& peer) {
  const bool harmless_twice = codec::http1::is_idempotent(exchange_.request.method) && body_.stays_replayable();
  // Time must be left to ask another server.
  const base::Duration patience = std::min(gateway_.options_.connect_timeout, gateway_.options_.timeout / 2);
  const base::Instant deadline = std::min(gateway_.loop_.now() + patience, end_);
  // Whether a process of ours had a request that was not to be sent twice is known on a new connection alone. And a
  // filter may have left data of its last request unread, and end the connection for that.
  const bool only_fresh = only_fresh_ || ((process_ || file_) && !harmless_twice);
  // What breaks a shared connection must cost nobody's request: the others on it can be sent again.
  const bool alone = alone_ || !harmless_twice || !body_.is_small();
  const ConnectionWish wish = {gateway_.options_.protocol, harmless_twice, only_fresh, alone, deadline};
  GatewayConnection connection = start_connecting(peer, wish);
  if (connection.in_progress()) {
    auto finishing = finish_connecting(peer, std::move(connection), wish);
    connection = co_await finishing;
  }
  std::unique_ptr<upstream::Call> made;
  const ProcessKeeper keeper{*this, connection, made};
  if (client_gone_) co_return Outcome::kAnswered;
  if (!connection.stream) co_return cannot_connect(peer, connection.error);
  peer.note_connected();
  asked_ = true;
  std::optional<FileBody> file;
  std::optional<upstream::UploadData> data;
  if (file_) {
    file.emplace(file_->descriptor, file_->size, gateway_.spool_.offload);
    data.emplace(upstream::UploadData{*file, file_->size});
  }
  made = make_call(gateway_.options_.protocol,
                   {gateway_.loop_, *connection.stream, exchange_.request.method, body_, gateway_.call_options_,
                    errors_, upstream::upgrade_offer(exchange_.request), data ? &*data : nullptr});
  upstream::Call& call = *made;
  call_ = &call;
  begun_ = gateway_.loop_.now();
  call.begin(std::move(head_));
  std::optional<upstream::PeerWait> waiting;
  if (!connection.is_kept) waiting.emplace(peer, connection.opened);
  auto reading = call.read_head();
  CallStatus status = co_await reading;
  if (status == CallStatus::kFine && is_interim(call.response())) {
    auto passing = pass_hints(call);
    status = co_await passing;
  }
  waiting.reset();
  if (status == CallStatus::kFine && call.response().status == 101) {
    call_ = nullptr;
    auto tunnelling = tunnel(peer, call, *connection.stream);
    co_await tunnelling;
  } else if (status == CallStatus::kFine) {
    auto answering = names_another(call) ? note_instead(peer, call, connection) : relay(peer, call, connection);
    co_await answering;
  }
  call_ = nullptr;
  if (std::exchange(cut_in_company_, false)) co_return Outcome::kInCompany;
  if (status == CallStatus::kFine) co_return Outcome::kAnswered;
  if (process_ && !client_gone_) {
    auto judging = judge_in_pool(call, status, connection);
    const Outcome outcome = co_await judging;
    co_return outcome;
  }
  if (status != CallStatus::kClientFailed) co_return judge(peer, call, status, connection);
  auto answering = answer_client_failure(call.client_failure());
  co_await answering;
  co_return Outcome::kAnswered;
}

// The head that is there is an interim one: it is passed on, and so is each up to the final one.
base::Task<CallStatus> GatewayExchange::pass_hints(upstream::Call& call) {
  while (true) {
    remove_web_server_fields(call.response().headers);
    hinted_ = true;
    auto hinting = exchange_.response.informational(call.response());
    co_await hinting;
    auto reading = call.read_head();
    const CallStatus status = co_await reading;
    if (status != CallStatus::kFine || !is_interim(call.response())) co_return status;
  }
}

base::Task<void> GatewayExchange::relay(upstream::Peer& peer, upstream::Call& call, GatewayConnection& connection) {
  message::ResponseWriter& response = exchange_.response;
  CallPiece piece = call.take_body();
  if (piece.awaits_end) {
    auto reading = call.read_body();
    piece = co_await reading;
  }
  std::optional<SpooledAnswer> spooled;
  // On a shared connection one whose client is slow would hold up the others.
  const bool is_spooled = !piece.complete && (connection.shared || may_be_spooled(call.response()));
  if (is_spooled) spooled.emplace(response, gateway_.spool_, gateway_.loop_);
  FileNameHint* const hint = gateway_.named_files_ ? nullptr : &gateway_.file_name_hint_;
  remove_web_server_fields(exchange_.request, call.response().headers, hint);  // to be done here, or by nobody
  if (peer.is_down()) gateway_.note_success(peer);  // others need not wait for the end of a long answer
  for (bool is_first = true;; is_first = false) {
    if (piece.status != CallStatus::kFine) {
      auto cutting = cut(peer, call, piece.status, connection, spooled ? &*spooled : nullptr);
      co_await cutting;
      co_return;
    }
    const bool ends_late = piece.only_end_missing && may_leave(call);
    if (piece.complete) gateway_.note_success(peer);
    if (piece.complete && call.excess() != upstream::Excess::kNone) note_excess(peer, "what it sent then was dropped");
    // Before the client has taken the rest: it may be slow, and the server is free.
    if (piece.complete) {
      keep(peer, call, connection);
      free_server();
    }
    if (ends_late) leave(peer, call, connection);
    piece.complete = piece.complete || ends_late;
    if (process_) process_->hold_time(true);
    auto writing = spooled    ? spooled->write(is_first ? &call.response() : nullptr, piece.bytes, piece.complete)
                   : is_first ? response.head(call.response(), piece.bytes, piece.complete)
                              : response.body(piece.bytes, piece.complete);
    const WriteStatus written = co_await writing;
    if (process_) process_->hold_time(false);
    if (written != WriteStatus::kWritten) co_return;
    if (piece.complete) break;
    auto reading = call.read_body();
    piece = co_await reading;
  }
  if (spooled) {
    auto draining = spooled->drained();
    co_await draining;
  }
}

// The server is free, and its failure known, before a slow client has taken what came until then.
base::Task<void> GatewayExchange::cut(upstream::Peer& peer, upstream::Call& call, CallStatus status,
                                      GatewayConnection& connection, SpooledAnswer* spooled) {
  if (status == CallStatus::kClientFailed) co_return exchange_.response.abort();
  // What was held back was nobody's yet.
  const bool has_nothing = !exchange_.response.head_sent() && !hinted_;
  if (has_nothing && connection.broke_beside_others() && may_repeat(Outcome::kInCompany)) {
    note_nonsense(peer, connection);
    cut_in_company_ = true;
    co_return;
  }
  note_cut(peer, call, status, connection);
  call.abandon();
  use_.reset();
  leave_process(call, connection);
  if (spooled) {
    auto draining = spooled->drained();
    co_await draining;
  }
  // A client that has the head must see that something is missing (faults.md 107).
  const Cause cause = status == CallStatus::kBroken       ? Cause::kNotUnderstood
                      : status == CallStatus::kDataFailed ? Cause::kFileChanged
                                                          : Cause::kOfStatus;
  auto answering = answer_error(exchange_, status == CallStatus::kTimedOut ? 504 : 502, cause);
  co_await answering;
}

// What is granted must be whole.
bool GatewayExchange::may_leave(upstream::Call& call) const {
  return gateway_.options_.role != codec::fastcgi::Role::kAuthorizer || call.response().status != 200;
}

// The client can have all of the answer, and the server may go on working: whoever waits for its end, the client does
// not. One that has not taken all of the request would wait for more of it.
void GatewayExchange::leave(upstream::Peer& peer, upstream::Call& call, GatewayConnection& connection) {
  if (process_) process_->forget_listener();
  if (!call.request_sent() || gateway_.late_ends_.size() >= kMostLateEnds) {
    call_ = nullptr;
    use_.reset();
    if (process_) return leave_process(call, connection);
    return connection.stream->close();
  }
  call_ = nullptr;
  auto late = std::make_unique<GatewayLateEnd>();
  late->rest = call.leave();
  late->connection = std::exchange(connection, GatewayConnection());
  late->keeps = keeps_;
  use_.reset();
  late->use = std::make_unique<upstream::PeerUse>(peer);
  late->process = std::exchange(process_, nullptr);
  late->method = exchange_.request.method;
  late->path = exchange_.request.path;
  late->request_id = exchange_.id;
  gateway_.late_ends_.start(await_late_end(gateway_, std::move(late)));
}

// A connection that is not kept is closed at once: it may hold a process of the server, and the client may be slow.
void GatewayExchange::keep(upstream::Peer& peer, upstream::Call& call, GatewayConnection& connection) {
  if (!connection.shared && (!keeps_ || !call.connection_reusable())) return connection.stream->close();
  call_ = nullptr;  // whoever leaves from now on must not end what may be another request's connection
  keep_connection(peer, gateway_.options_.protocol, connection);
}

bool GatewayExchange::names_another(upstream::Call& call) const {
  if (gateway_.options_.role == codec::fastcgi::Role::kAuthorizer) return false;
  const bool redirects = gateway_.site_ && !call.local_redirect().empty();
  return redirects || (gateway_.named_files_ && names_a_file(call.response()));
}

// The answer is another one's. It counts when it is whole; and it ends before the other begins, so that the server is
// free while the client takes that.
base::Task<void> GatewayExchange::note_instead(upstream::Peer& peer, upstream::Call& call,
                                               GatewayConnection& connection) {
  CallPiece piece = call.take_body();
  Instead instead;
  if (gateway_.site_) instead.path = call.local_redirect();
  if (instead.path.empty()) instead.file = copy_head(call.response());
  size_t swallowed = piece.bytes.size();
  while (piece.status == CallStatus::kFine && !piece.complete && swallowed <= kMostSwallowed) {
    auto reading = call.read_body();
    piece = co_await reading;
    swallowed += piece.bytes.size();
  }
  if (piece.status != CallStatus::kFine) {
    auto cutting = cut(peer, call, piece.status, connection);
    co_await cutting;
    co_return;
  }
  gateway_.note_success(peer);
  if (piece.complete) {
    keep(peer, call, connection);
    free_server();
  }
  instead_ = std::move(instead);
}

// The connection carries something else from here on and ends with it: it goes back to no pool.
base::Task<void> GatewayExchange::tunnel(upstream::Peer& peer, upstream::Call& call, io::Stream& stream) {
  gateway_.note_success(peer);
  message::ResponseWriter& response = exchange_.response;
  upstream::Tunnel tunnel(gateway_.loop_, stream, exchange_.body, response, gateway_.options_.tunnel_timeout);
  tunnel_ = &tunnel;
  remove_web_server_fields(call.response().headers);
  auto opening = response.head(call.response(), call.behind_switch(), false);
  const WriteStatus opened = co_await opening;
  if (opened == WriteStatus::kWritten) {
    auto running = tunnel.run();
    co_await running;
  }
  tunnel_ = nullptr;
}

base::Task<void> GatewayExchange::answer_client_failure(BodyStatus status) {
  if (status == BodyStatus::kDisconnected) co_return;
  auto answering = answer_error(exchange_, status_of_body(status));
  co_await answering;
}

base::Task<void> GatewayExchange::answer_nobody_up() {
  gateway_.problems_.write(base::Severity::kError, "CW0607",
                           fmt::format("{}: no server of it is up; answered 503\n"
                                       "fix: the messages before say how they failed",
                                       gateway_.who()),
                           gateway_.loop_.now());
  const std::string seconds = gateway_.retry_after();
  auto answering = answer_error(exchange_, 503, "Retry-After", seconds);
  co_await answering;
}

}  // namespace cutwater::handler
