#include "handler/gateway.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "handler/error_pages.h"
#include "handler/gateway_exchange.h"
#include "handler/gateway_request.h"
#include "handler/local_redirect.h"
#include "handler/refusals.h"

namespace cutwater::handler {

Gateway::Gateway(GatewayOptions options, upstream::PeerGroup& group, io::Loop& loop, SpoolArea& spool,
                 base::LogSink& log, std::unique_ptr<ScriptFolder> scripts)
    : options_(std::move(options)),
      group_(group),
      who_("upstream " + group.name()),
      loop_(loop),
      spool_(spool),
      spool_budget_(spool.shares.per_app),
      log_(log),
      scripts_(std::move(scripts)),
      file_name_hint_(log, who_, "its route"),
      problems_(log),
      stderr_pace_(loop) {
  call_options_.silence = options_.timeout;
  call_options_.keeps_connection = keeps_connections(options_.protocol);
  call_options_.authorizes = options_.role == codec::fastcgi::Role::kAuthorizer;
}

// How long a request may take is the pool's affair, which kills a process whose time is over. Silence ends only what
// that does not: a connection that something else than the process holds open.
void Gateway::run_in(GatewayPool& pool) {
  pool_ = &pool;
  who_ = "pool " + pool.name();
  options_.timeout = pool.timeout();
  call_options_.silence = pool.timeout() + std::chrono::seconds(5);
}

bool Gateway::must_collect(const message::Request& request) const {
  if (request.framing == message::BodyFraming::kNone) return false;
  const bool is_chunked = request.framing == message::BodyFraming::kChunked;
  if (is_chunked && !takes_unknown_length(options_.protocol)) return true;
  return options_.buffer && (is_chunked || request.content_length > upstream::RequestBody::kMostKept);
}

base::Task<void> Gateway::handle(message::Exchange& exchange) {
  return answer(exchange, nullptr);
}

base::Task<void> Gateway::filter(message::Exchange& exchange, const FilteredFile& file) {
  return answer(exchange, &file);
}

base::Task<void> Gateway::answer(message::Exchange& exchange, const FilteredFile* file) {
  const message::Request& request = exchange.request;
  if (came_back(request.headers, options_.instance)) {
    auto refusing = refuse_circle(exchange);
    co_await refusing;
    co_return;
  }
  std::shared_ptr<const Script> script = scripts_ ? scripts_->recall(request) : nullptr;
  if (scripts_ && !script) {
    auto finding = find_script(exchange);
    script = co_await finding;
    if (!script) co_return;
  }
  std::unique_ptr<CollectedBody> collected;
  if (must_collect(request)) {
    auto collecting = collect_body(exchange);
    collected = co_await collecting;
    if (!collected) co_return;
  }
  upstream::RequestBody body =
      collected ? upstream::RequestBody(*collected, collected->size()) : upstream::RequestBody(exchange.body, request);
  Instead instead;
  {
    GatewayExchange asking(*this, exchange, body, script.get(), file);
    auto running = asking.run();
    co_await running;
    if (!asking.has_instead()) co_return;
    instead = asking.take_instead();
  }
  collected.reset();
  auto answering = answer_instead(exchange, instead);
  co_await answering;
}

base::Task<void> Gateway::refuse_circle(message::Exchange& exchange) {
  problems_.write(base::Severity::kError, "CW0606",
                  fmt::format("{}: a request for {} came back here; answered 508\n"
                              "fix: let `to` name another server than this one",
                              who_, exchange.request.path),
                  loop_.now());
  auto answering = answer_error(exchange, 508);
  co_await answering;
}

// nullptr: the request is answered.
base::Task<std::shared_ptr<const Script>> Gateway::find_script(message::Exchange& exchange) {
  auto finding = scripts_->find(exchange.request);
  ScriptFolder::Found found = co_await finding;
  if (found.is_file && files_) {
    auto sending = files_->handle(exchange);
    co_await sending;
  } else if (found.status != 0) {
    const std::string& who = who_;
    auto refusing = refuse_script(exchange, found.status, {who, problems_, loop_.now()}, scripts_->root());
    co_await refusing;
  }
  co_return std::move(found.script);
}

// nullptr: there is none that counts, and the request is answered.
base::Task<std::unique_ptr<CollectedBody>> Gateway::collect_body(message::Exchange& exchange) {
  auto collected = std::make_unique<CollectedBody>(exchange.body, spool_, spool_budget_);
  auto collecting = collected->collect();
  const CollectedBody::Outcome outcome = co_await collecting;
  if (!outcome.ok()) {
    const std::string& who = who_;
    auto refusing = refuse_body(exchange, outcome, {who, problems_, loop_.now()});
    co_await refusing;
    co_return nullptr;
  }
  co_return collected;
}

// Once the server is free again.
base::Task<void> Gateway::answer_instead(message::Exchange& exchange, const Instead& instead) {
  if (instead.file) {
    auto sending = named_files_->answer(exchange, instead.file->response);
    co_await sending;
    co_return;
  }
  const char* problem = redirect_problem(exchange, instead.path);
  if (!problem) {
    auto redirecting = redirect_locally(exchange, *site_, instead.path);
    co_await redirecting;
    co_return;
  }
  problems_.write(base::Severity::kError, "CW0610",
                  fmt::format("{}: the answer to {} {} is {}: {}; answered 502\n"
                              "fix: let the program say Status: 302 where the client is to go there",
                              who_, exchange.request.method, exchange.request.path, problem, instead.path),
                  loop_.now());
  auto refusing = answer_error(exchange, 502, Cause::kNotUnderstood);
  co_await refusing;
}

void Gateway::log_problem(std::string_view code, const upstream::Peer& peer, std::string_view what,
                          std::string_view fix, std::string_view kind) {
  const upstream::PeerAddress& address = peer.address();
  std::string place = peer.name() + " ";
  if (address.text == group_.name()) place = address.found.empty() ? "" : "(" + address.found + ") ";
  problems_.write(base::Severity::kError, code, fmt::format("{}: {}{}\nfix: {}", who_, place, what, fix), loop_.now(),
                  peer.name() + " " + std::string(kind));
}

void Gateway::note_excess(const upstream::Peer& peer, std::string_view request, std::string_view consequence) {
  log_problem("CW0604", peer,
              fmt::format("went on after the Content-Length of its answer to {}; {}", request, consequence),
              "let the application state the length of what it sends, or none");
}

void Gateway::note_failure(upstream::Peer& peer, upstream::Failure failure) {
  if (!peer.note_failure(loop_.now(), failure)) return;
  log_.warning("CW0603", fmt::format("{}: {} failed {} in a row and is left alone for {} at a time\n"
                                     "fix: the messages before say how it failed",
                                     who_, peer.name(), base::counted(peer.options().max_fails, "time"),
                                     base::seconds_text(peer.options().fail_time)));
}

void Gateway::note_success(upstream::Peer& peer) {
  if (peer.note_success()) log_.info(fmt::format("{}: {} answers again", who_, peer.name()));
}

std::string Gateway::retry_after() const {
  constexpr std::chrono::seconds kLeast{1};
  const base::Instant next = group_.next_trial();
  if (next == base::kNever) return std::to_string(kLeast.count());
  return std::to_string(std::max(kLeast, std::chrono::ceil<std::chrono::seconds>(next - loop_.now())).count());
}

}  // namespace cutwater::handler
