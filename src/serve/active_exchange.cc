#include "serve/active_exchange.h"

#include <exception>
#include <string>

#include "message/authority.h"

namespace cutwater::serve {

namespace {

using codec::http1::HeadScanner;

constexpr base::Duration kDrainTime = std::chrono::seconds(5);

}  // namespace

ActiveExchange::ActiveExchange(ServerState& server, io::Stream& stream, ConnectionInput& input, const io::Address& peer,
                               const io::Address& local)
    : server_(server),
      stream_(stream),
      input_(input),
      peer_(peer),
      local_(local),
      memory_(server.exchanges.take()),
      output_(server.loop, stream, server.options, memory_->output),
      writer_(output_, memory_->request, server.dates, server.options, server.draining),
      body_(server.loop, stream, input, server.options, writer_),
      exchange_{memory_->request, body_, writer_, server.loop.now(), peer.host, ++server.last_exchange, nullptr} {
  writer_.set_body(body_);
}

// Cancelled in the middle: the log still hears of it.
ActiveExchange::~ActiveExchange() {
  if (head_taken_ && !reported_) {
    writer_.abort();
    report();
  }
}

base::Task<Ending> ActiveExchange::run() {
  HeadScanner scanner(server_.options.head);
  auto scanned = scan_head(scanner);
  if (scanned == HeadScanner::Outcome::kIncomplete) {
    auto waiting = wait_for_head(scanner);
    const Wait waited = co_await waiting;
    if (waited == Wait::kClientLeft) {
      refused_ = "the client left in the middle of a request head";
      report();
      co_return Ending::kClose;
    }
    scanned = waited == Wait::kComplete ? HeadScanner::Outcome::kComplete : HeadScanner::Outcome::kRefused;
  }
  const uint16_t refusal = scanned == HeadScanner::Outcome::kComplete ? parse() : refusal_of(scanner);
  if (refusal != 0) {
    refuse(refusal);
  } else if (memory_->request.path == "*") {  // OPTIONS *: asks for the server itself (RFC 9110 section 9.3.7)
    write_small(204);
  } else {
    auto handling = run_handler();
    co_await handling;
  }
  bool keep = writer_.complete() && writer_.keeps_alive();
  if (output_.pending() > 0 || (keep && !body_.complete())) {
    auto settling = settle(keep);
    keep = co_await settling;
  }
  if (!head_taken_) memory_->request.clear();
  report();
  co_return keep ? Ending::kKeepAlive : how_to_close();
}

uint16_t ActiveExchange::refusal_of(const HeadScanner& scanner) {
  const bool timed_out = scanner.status == 0;
  refused_ = timed_out ? "the request head took too long" : scanner.reason;
  return timed_out ? 408 : scanner.status;
}

// A complete head is copied to memory of its own: what lies in the receive buffer dies at the first wait.
HeadScanner::Outcome ActiveExchange::scan_head(HeadScanner& scanner) {
  const auto outcome = scanner.scan(input_.bytes());
  if (outcome == HeadScanner::Outcome::kComplete) {
    memory_->head.assign(input_.bytes().substr(0, scanner.head_length));
    input_.consume(scanner.head_length);
  }
  return outcome;
}

// The deadline is absolute, from the head's first byte: bytes that trickle in do not move it (faults.md 69).
base::Task<ActiveExchange::Wait> ActiveExchange::wait_for_head(HeadScanner& scanner) {
  const base::Instant deadline = exchange_.began + server_.options.header_timeout;
  while (true) {
    if (co_await stream_.readable(deadline) == io::WaitResult::kTimedOut) co_return Wait::kRefused;
    const io::IoResult received = input_.receive(stream_);
    if (received.status == io::IoStatus::kWouldBlock) continue;
    if (received.status != io::IoStatus::kDone) co_return Wait::kClientLeft;
    const auto outcome = scan_head(scanner);
    if (outcome == HeadScanner::Outcome::kComplete) co_return Wait::kComplete;
    if (outcome == HeadScanner::Outcome::kRefused) co_return Wait::kRefused;
  }
}

uint16_t ActiveExchange::parse() {
  const auto parsed =
      codec::http1::parse_request_head(memory_->head, server_.options.head, memory_->request, memory_->decoded);
  if (parsed.status != 0) {
    refused_ = parsed.reason;
    return parsed.status;
  }
  head_taken_ = true;
  body_.begin(memory_->request);
  fill_in_connection();
  if (const uint16_t status = apply_filter(); status != 0) {
    refused_ = "the forwarding fields contradict each other";
    return status;
  }
  const message::Request& request = memory_->request;
  if (request.framing == message::BodyFraming::kLength && request.content_length > server_.options.body_limit) {
    refused_ = "the body is over limits.body";
    return 413;
  }
  return 0;
}

void ActiveExchange::fill_in_connection() {
  message::Request& request = memory_->request;
  request.scheme = "http";
  request.remote_address = peer_.host;
  request.remote_port = peer_.port;
  const uint16_t own_port = local_.is_unix ? uint16_t{80} : local_.port;
  if (request.authority.empty()) {  // HTTP/1.0 without Host: the address that was asked
    memory_->authority = local_.is_unix ? "localhost" : io::to_text(local_);
    request.authority = memory_->authority;
    request.server_name = request.authority.substr(0, request.authority.rfind(':'));
  }
  if (request.server_port == 0) request.server_port = own_port;
}

uint16_t ActiveExchange::apply_filter() {
  message::Request& request = memory_->request;
  const std::string_view authority = request.authority;
  const std::string_view name = request.server_name;
  const uint16_t port = request.server_port;
  if (const uint16_t status = server_.filter.filter(request, peer_, memory_->filtered); status != 0) return status;
  if (request.authority == authority) return 0;
  const auto parts = message::parse_authority(request.authority);
  if (!parts) return 0;
  if (request.server_name.data() == name.data()) request.server_name = parts->host;
  if (request.server_port == port && parts->port) request.server_port = *parts->port;
  return 0;
}

base::Task<void> ActiveExchange::run_handler() {
  std::string problem;
  try {
    auto handling = server_.root.handle(exchange_);
    co_await handling;
  } catch (const std::exception& error) {
    problem = error.what();
    if (problem.empty()) problem = "an exception without a text";
  } catch (...) {
    problem = "an exception of an unknown kind";
  }
  exchange_.gone_listener = nullptr;
  if (problem.empty() && writer_.head_sent()) co_return;
  if (problem.empty() && (writer_.client_gone() || writer_.aborted())) co_return;
  if (problem.empty()) problem = "it gave no answer";
  const message::Request& request = memory_->request;
  server_.log.error("", std::string("a handler failed on ")
                            .append(request.method)
                            .append(" ")
                            .append(request.path)
                            .append(": ")
                            .append(problem));
  if (writer_.head_sent()) {
    writer_.abort();
  } else {
    write_small(500);
  }
}

void ActiveExchange::refuse(uint16_t status) {
  if (!head_taken_) {
    const bool head_request = memory_->request.method == "HEAD";
    memory_->request.clear();
    if (head_request) memory_->request.method = "HEAD";  // its answer has no body either
  }
  writer_.refuse_keep_alive();
  write_small(status);
}

// An answer of ours: the status in words, nothing of the request. The few bytes are sent or kept by the call,
// its task has nothing to wait for.
void ActiveExchange::write_small(uint16_t status) {
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

// The answer is written; now it must reach the client, and the rest of the request must go (faults.md 31).
// Returns whether the connection can still go on.
base::Task<bool> ActiveExchange::settle(bool keep) {
  if (keep && !body_.complete()) {
    const base::Instant deadline = server_.loop.now() + kDrainTime;
    auto draining = body_.drain(HttpResponseWriter::kMostDrained, deadline);
    keep = co_await draining;
  }
  auto flushing = output_.wait_until_below(0);
  const bool flushed = co_await flushing;
  co_return keep&& flushed;
}

Ending ActiveExchange::how_to_close() const {
  if (output_.failed()) return Ending::kReset;  // too slow, or gone: nothing may linger in the kernel for it
  if (!writer_.complete()) {
    return writer_.head_sent() && writer_.ends_with_connection() ? Ending::kReset : Ending::kClose;
  }
  const bool expected = head_taken_ && !memory_->request.wants_keep_alive && body_.complete();
  return expected && !input_.more_likely() ? Ending::kClose : Ending::kLinger;
}

void ActiveExchange::report() {
  if (reported_) return;
  reported_ = true;
  ExchangeObserver::Summary summary;
  summary.status = writer_.status();
  summary.body_bytes_sent = writer_.body_bytes_sent();
  summary.duration = base::monotonic_now() - exchange_.began;
  summary.aborted = writer_.head_sent() && (!writer_.complete() || output_.failed());
  summary.refused = refused_;
  server_.observer.on_exchange_end(memory_->request, exchange_.connection_address, summary);
}

}  // namespace cutwater::serve
