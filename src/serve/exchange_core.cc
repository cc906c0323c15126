#include "serve/exchange_core.h"

#include <exception>
#include <string>

#include "message/authority.h"

namespace cutwater::serve {

namespace {

constexpr uint16_t kCut = 503;

base::Task<void> fail_with(std::exception_ptr failure) {
  std::rethrow_exception(failure);
  co_return;
}

std::string text_of(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const std::exception& error) {
    const std::string text = error.what();
    return text.empty() ? "an exception without a text" : text;
  } catch (...) {
    return "an exception of an unknown kind";
  }
}

}  // namespace

ExchangeCore::ExchangeCore(ServerState& server, ExchangeMemory& memory, ServedResponse& writer,
                           message::BodySource& body, const io::Address& peer, const io::Address& local)
    : server_(server), memory_(memory), writer_(writer), peer_(peer), local_(local), exchange_{memory.request,
                                                                                               body,
                                                                                               writer,
                                                                                               server.loop.now(),
                                                                                               peer.host,
                                                                                               ++server.last_exchange} {
  exchange_.sender = this;
}

// Cancelled in the middle: the log still hears of it, and not as if the client had left.
ExchangeCore::~ExchangeCore() {
  if (!head_taken_ || reported_) return;
  if (is_awaited()) status_of_cut_ = kCut;
  if (!writer_.complete()) writer_.abort();
  report();
}

bool ExchangeCore::is_awaited() const {
  return head_taken_ && !reported_ && !writer_.head_sent() && !writer_.aborted() && !writer_.client_gone();
}

void ExchangeCore::cut() {
  if (!is_awaited()) return;
  writer_.refuse_keep_alive();
  write_small(kCut);
}

uint16_t ExchangeCore::parse(RequestHead& head) {
  head_taken_ = head.parse() == RequestHead::Outcome::kComplete;
  if (head_taken_) return 0;
  refused_ = head.reason();
  return head.status();
}

uint16_t ExchangeCore::check() {
  fill_in_connection();
  if (const char* why = apply_filter()) {
    refused_ = why;
    return 400;
  }
  const message::Request& request = memory_.request;
  if (request.framing == message::BodyFraming::kLength && request.content_length > server_.options.body_limit) {
    refused_ = "the body is over limits.body";
    return 413;
  }
  return 0;
}

bool ExchangeCore::answer_itself(uint16_t refusal) {
  if (refusal != 0) {
    refuse(refusal);
  } else if (memory_.request.path == "*") {  // OPTIONS *: asks for the server itself (RFC 9110 section 9.3.7)
    write_small(204);
  } else {
    return false;
  }
  return true;
}

// Whoever may speak a gateway protocol to us is one (docs/life_of_a_request.md).
bool ExchangeCore::is_trusted_web_server() const {
  return server_.options.protocol != Protocol::kHttp || server_.filter.trusts(peer_);
}

// What the connection itself says. A web server in front has said it of its client's.
void ExchangeCore::fill_in_connection() {
  message::Request& request = memory_.request;
  if (server_.options.protocol == Protocol::kHttp) {
    request.scheme = "http";
    request.remote_address = peer_.host;
    request.remote_port = peer_.port;
  } else {
    exchange_.connection_address = request.remote_address;
  }
  const uint16_t own_port = local_.is_unix ? uint16_t{80} : local_.port;
  if (request.authority.empty()) {  // HTTP/1.0 without Host: the address that was asked
    memory_.authority = local_.is_unix ? "localhost" : io::to_text(local_);
    request.authority = memory_.authority;
    request.server_name = request.authority.substr(0, request.authority.rfind(':'));
  }
  if (request.server_port == 0) request.server_port = own_port;
}

const char* ExchangeCore::filter(message::Request& request) {
  if (server_.options.protocol == Protocol::kHttp)
    return server_.filter.filter(request, peer_, local_, memory_.filtered);
  const std::string_view client = request.remote_address;
  const io::Address named{std::string(client), request.remote_port, client.starts_with("unix:")};
  return server_.filter.filter(request, named, local_, memory_.filtered);
}

const char* ExchangeCore::apply_filter() {
  message::Request& request = memory_.request;
  const std::string_view authority = request.authority;
  const uint16_t port = request.server_port;
  if (const char* why = filter(request)) return why;
  if (request.authority == authority) return nullptr;
  const auto asked = message::parse_authority(authority);
  const auto parts = message::parse_authority(request.authority);
  if (!parts) return nullptr;
  if (asked && request.server_name == asked->host) request.server_name = parts->host;
  if (request.server_port == port && parts->port) request.server_port = *parts->port;
  return nullptr;
}

base::Task<void> ExchangeCore::start_handler() {
  try {
    return server_.root.handle(exchange_);
  } catch (...) {
    return fail_with(std::current_exception());
  }
}

// The handler has ended without an answer, or with a part of one.
void ExchangeCore::make_up_for(const std::exception_ptr& failure) {
  if (!failure && (writer_.client_gone() || writer_.aborted())) return;
  const message::Request& request = memory_.request;
  server_.log.error("", std::string("a handler failed on ")
                            .append(request.method)
                            .append(" ")
                            .append(request.path)
                            .append(": ")
                            .append(failure ? text_of(failure) : "it gave no answer"));
  if (writer_.head_sent()) {
    writer_.abort();
  } else {
    write_small(500);
  }
}

void ExchangeCore::refuse(uint16_t status) {
  if (!head_taken_) {
    const bool head_request = memory_.request.method == "HEAD";
    memory_.request.clear();
    if (head_request) memory_.request.method = "HEAD";  // its answer has no body either
  }
  writer_.refuse_keep_alive();
  write_small(status);
}

// An answer of ours: the status in words, nothing of the request. The few bytes are sent or kept by the call,
// its task has nothing to wait for.
void ExchangeCore::write_small(uint16_t status) {
  message::Response response;
  response.status = status;
  std::string text;
  if (status == 405 || status == 204) response.headers.add("Allow", codec::http1::kAllowedMethods);
  if (message::status_allows_body(status)) {
    response.headers.add("Content-Type", "text/plain; charset=utf-8");
    text.append(message::standard_reason(status)).append("\n");
  }
  const auto written = writer_.head(response, text, true);
}

void report_unspoken(ServerState& server, const io::Address& peer, const char* reason) {
  if (server.options.log_refusals)
    server.log.write(base::Severity::kDebug, "",
                     std::string(peer.host).append(": closed without an answer, ") + reason);
  ExchangeObserver::Summary summary;
  summary.began = server.loop.now();
  summary.refused = reason;
  summary.id = ++server.last_exchange;
  server.observer.on_exchange_end(message::Request(), peer.host, summary);
}

// For who looks for the fault of a client. Only when asked for: whoever sends nonsense must not fill a log.
void ExchangeCore::tell_refusal() {
  const std::string_view client = head_taken_ ? memory_.request.remote_address : exchange_.connection_address;
  const uint16_t status = writer_.status();
  server_.log.write(base::Severity::kDebug, "",
                    std::string(client)
                        .append(status != 0 ? ": " + std::to_string(status) + ", " : ": closed without an answer, ")
                        .append(refused_));
}

void ExchangeCore::report() {
  if (reported_) return;
  reported_ = true;
  if (refused_ && server_.options.log_refusals) tell_refusal();
  if (!head_taken_) memory_.request.clear();
  ExchangeObserver::Summary summary;
  summary.status = writer_.head_sent() ? writer_.status() : status_of_cut_;
  summary.body_bytes_sent = writer_.body_bytes_sent();
  summary.began = exchange_.began;
  summary.aborted = writer_.head_sent() && (!writer_.complete() || writer_.broken());
  summary.refused = refused_;
  summary.id = exchange_.id;
  server_.observer.on_exchange_end(memory_.request, peer_.host, summary);
}

}  // namespace cutwater::serve
