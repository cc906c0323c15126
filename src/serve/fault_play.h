// For tests and fuzzing: one connection of an HttpServer, in memory, played by a program of deliveries, short
// writes, time-outs and failures. Whatever comes, the connection ends when its client has gone, each exchange
// is reported once, and how well-behaved bytes are cut changes nothing.
#pragma once

#include <coroutine>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

#include "serve/http_server.h"
#include "serve/memory_stream.h"

namespace cutwater::serve::fault {

// One behaviour per path. What it answers depends on the request alone, never on how its bytes came.
class PlayHandler final : public message::Handler, public message::ClientGoneListener {
 public:
  base::Task<void> handle(message::Exchange& exchange) override {
    ++handled;
    const std::string_view path = exchange.request.path;
    if (path == "/echo") return echo(exchange);
    if (path == "/filter") return filter(exchange);
    if (path == "/pieces") return pieces(exchange, 0, false);
    if (path == "/short") return pieces(exchange, 1000, false);
    if (path == "/long") return pieces(exchange, 10, false);
    if (path == "/abort") return pieces(exchange, 0, true);
    if (path == "/file") return file(exchange);
    if (path == "/wait") return wait(exchange);
    if (path == "/late") return late(exchange);
    if (path == "/silent") return silent();
    return answer(exchange, std::string(path));
  }
  bool on_client_gone(bool) override {
    let_go();
    return true;
  }
  void let_go() {
    if (waiter_) std::exchange(waiter_, nullptr).resume();
  }

  int handled = 0;

 private:
  struct Gate {
    PlayHandler& handler;
    ~Gate() { handler.waiter_ = nullptr; }
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> waiter) { handler.waiter_ = waiter; }
    void await_resume() const noexcept {}
  };

  static base::Task<void> answer(message::Exchange& exchange, std::string text) {
    message::Response response;
    auto writing = exchange.response.head(response, text, true);
    co_await writing;
  }
  static base::Task<void> silent() { co_return; }
  static base::Task<message::BodyStatus> read_all(message::Exchange& exchange, std::string& into) {
    return read_all(exchange.body, into);
  }
  static base::Task<message::BodyStatus> read_all(message::BodySource& source, std::string& into) {
    while (true) {
      auto reading = source.read();
      const message::BodyPiece piece = co_await reading;
      if (piece.status != message::BodyStatus::kPiece) co_return piece.status;
      into += piece.bytes;
    }
  }
  static base::Task<void> echo(message::Exchange& exchange) {
    std::string body;
    auto reading = read_all(exchange, body);
    const message::BodyStatus status = co_await reading;
    if (status == message::BodyStatus::kDisconnected) co_return;
    if (status != message::BodyStatus::kEnd) body = "refused";
    auto answering = answer(exchange, std::move(body));
    co_await answering;
  }
  // Body and data, as a FastCGI filter has them.
  static base::Task<void> filter(message::Exchange& exchange) {
    std::string text;
    auto reading = read_all(exchange, text);
    message::BodyStatus status = co_await reading;
    if (exchange.data != nullptr && status == message::BodyStatus::kEnd) {
      text += '|';
      auto reading_data = read_all(*exchange.data, text);
      status = co_await reading_data;
    }
    if (status == message::BodyStatus::kDisconnected) co_return;
    if (status != message::BodyStatus::kEnd) text = "refused";
    auto answering = answer(exchange, std::move(text));
    co_await answering;
  }
  static base::Task<void> pieces(message::Exchange& exchange, uint64_t length, bool abort) {
    message::Response response;
    if (length > 0) response.content_length = length;
    auto starting = exchange.response.head(response, "first ", false);
    co_await starting;
    for (int count = 0; count < 3; ++count) {
      auto writing = exchange.response.body("another piece ", false);
      if (co_await writing == message::WriteStatus::kClientGone) co_return;
    }
    if (abort) co_return exchange.response.abort();
    auto ending = exchange.response.finish();
    co_await ending;
  }
  static base::Task<void> file(message::Exchange& exchange) {
    message::Response response;
    response.content_length = 300'000;
    auto starting = exchange.response.head(response, "", false);
    co_await starting;
    auto sending = exchange.response.file(-1, 0, 300'000);
    co_await sending;
    auto ending = exchange.response.finish();
    co_await ending;
  }
  // The head goes out before the body is read.
  static base::Task<void> late(message::Exchange& exchange) {
    message::Response response;
    auto starting = exchange.response.head(response, "", false);
    co_await starting;
    std::string body;
    auto reading = read_all(exchange, body);
    if (co_await reading != message::BodyStatus::kEnd) co_return exchange.response.abort();
    auto writing = exchange.response.body(body, true);
    co_await writing;
  }
  base::Task<void> wait(message::Exchange& exchange) {
    if (!waiter_) {
      exchange.gone_listener = this;
      Gate gate{*this};
      co_await gate;
      exchange.gone_listener = nullptr;
    }
    auto answering = answer(exchange, "waited");
    co_await answering;
  }

  std::coroutine_handle<> waiter_;
};

class Play final : RequestFilter, ExchangeObserver, base::LogSink, io::TurnHook {
 public:
  explicit Play(std::string_view bytes, Protocol protocol = Protocol::kHttp)
      : bytes_(bytes), server_(loop_, options(protocol), handler_, *this, *this, *this) {
    loop_.add_hook(*this);
    server_.accept(peer.connect(), address_, address_);
  }
  ~Play() override { loop_.remove_hook(*this); }
  Play(const Play&) = delete;
  Play& operator=(const Play&) = delete;

  // One step: the low three bits say what, the others how much.
  void step(uint8_t code) {
    const size_t amount = code >> 3;
    switch (code & 7) {
      case 0:
        deliver(amount * 8 + 1);
        break;
      case 1:
        deliver(1);
        break;
      case 2:
        peer.room = amount * 64 + 1;
        peer.wake_writer();
        break;
      case 3:
        peer.wake_reader();
        handler_.let_go();
        break;
      case 4:
        peer.wake_reader(io::WaitResult::kTimedOut);
        break;
      case 5:
        peer.wake_writer(io::WaitResult::kTimedOut);
        break;
      case 6:
        break_something(amount);
        break;
      default:
        peer.room = 0;
    }
    turn();
  }
  // Without the steps that a healthy client and network never cause.
  void quiet_step(uint8_t code) { step((code & 7) < 4 ? code : static_cast<uint8_t>(code & ~4)); }

  // Everything arrives, the client reads everything, then it leaves. False: the connection hangs.
  bool end() {
    deliver(rest_.size());
    peer.room = SIZE_MAX;
    settle();
    peer.ended = true;
    settle();
    return server_.connections() == 0 && reported >= handler_.handled && !peer.connected();
  }
  // What the client got, without what may differ from run to run.
  std::string answers() const {
    std::string text = peer.received;
    for (const auto& [begin, length] : {std::pair("Date: ", size_t{37}), std::pair("HTTP/1.1 100 ", size_t{25})}) {
      for (size_t at = text.find(begin); at != std::string::npos; at = text.find(begin, at)) text.erase(at, length);
    }
    return text;
  }
  int handled() const { return handler_.handled; }

  MemoryPeer peer;
  int reported = 0;

 private:
  static ServeOptions options(Protocol protocol) {
    ServeOptions chosen;
    chosen.protocol = protocol;
    chosen.body_limit = 4096;
    chosen.output_buffer = 64;
    return chosen;
  }
  const char* filter(message::Request&, const io::Address&, const io::Address&, std::string&) override {
    return nullptr;
  }
  void on_exchange_end(const message::Request&, std::string_view, const Summary&) override { ++reported; }
  void write(base::Severity, std::string_view, std::string_view) override {}
  bool end_of_turn() override {
    loop_.stop();
    return false;
  }

  void turn() {
    loop_.run_hooks_again();
    loop_.run();
  }
  void deliver(size_t count) {
    count = std::min(count, rest_.size());
    peer.arriving.append(rest_.substr(0, count));
    rest_.remove_prefix(count);
    peer.wake_reader();
  }
  void break_something(size_t what) {
    switch (what % 6) {
      case 0:
        peer.write_fails = true;
        break;
      case 1:
        peer.read_fails = true;
        break;
      case 2:
        peer.ended = true;
        break;
      case 3:
        peer.hang_up();
        break;
      case 4:
        peer.file_ends = true;
        break;
      default:
        server_.drain(nullptr);
    }
  }
  // Until nobody waits for what there is.
  void settle() {
    for (int idle = 0, rounds = 0; idle < 3 && rounds < 100'000; ++rounds) {
      const size_t before = peer.received.size() + static_cast<size_t>(reported) - peer.arriving.size();
      const bool wrote = peer.wake_writer();
      peer.wake_reader();
      handler_.let_go();
      turn();
      const size_t after = peer.received.size() + static_cast<size_t>(reported) - peer.arriving.size();
      idle = wrote || before != after ? 0 : idle + 1;
    }
  }

  const io::Address address_{"127.0.0.1", 8000, false};
  const std::string bytes_;
  std::string_view rest_ = bytes_;
  io::Loop loop_;
  PlayHandler handler_;
  HttpServer server_;
};

// The fuzzers' input: a count, that many steps, and the bytes.
// Requests that run at once may answer in any order: then no two plays need be the same.
inline void play_input(std::string_view input, Protocol protocol) {
  if (input.empty()) return;
  const std::string_view steps = input.substr(1, static_cast<uint8_t>(input.front()));
  const std::string_view bytes = input.substr(1 + steps.size());

  Play whole(bytes, protocol);
  if (!whole.end()) std::abort();

  Play cut(bytes, protocol);
  for (char step : steps) cut.quiet_step(static_cast<uint8_t>(step));
  if (!cut.end()) std::abort();
  const bool comparable = protocol != Protocol::kFastcgi;
  if (comparable && (cut.answers() != whole.answers() || cut.handled() != whole.handled())) std::abort();

  Play broken(bytes, protocol);
  for (char step : steps) broken.step(static_cast<uint8_t>(step));
  if (!broken.end()) std::abort();
}

}  // namespace cutwater::serve::fault
