// For the tests of this folder: a server on a loopback socket, a handler with one behaviour per path, and
// clients, all on one thread and one loop.
#pragma once

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <coroutine>
#include <cstring>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "serve/http_server.h"

namespace cutwater::serve::test {

using message::BodyPiece;
using message::BodyStatus;
using message::Exchange;
using message::Response;
using message::WriteStatus;

struct RecordingLog : base::LogSink {
  void write(base::Severity, std::string_view, std::string_view text) override { lines.emplace_back(text); }
  std::vector<std::string> lines;
};

struct RecordingObserver : ExchangeObserver {
  struct Entry {
    std::string method, path, refused;
    Summary summary;
  };
  void on_exchange_end(const message::Request& request, std::string_view, const Summary& summary) override {
    entries.push_back(
        {std::string(request.method), std::string(request.path), summary.refused ? summary.refused : "", summary});
  }
  std::vector<Entry> entries;
};

struct TestFilter : RequestFilter {
  const char* filter(message::Request& request, const io::Address& peer, const io::Address&,
                     std::string& storage) override {
    peers.push_back(io::to_text(peer));
    if (request.headers.get("X-Refuse")) return "X-Refuse";
    if (request.headers.get("X-Forwarded-Host")) {
      storage = "public.example:8443";
      request.authority = storage;
    }
    return nullptr;
  }
  std::vector<std::string> peers;
};

// Holds handlers until the test lets them go, or the client leaves.
struct Gate : message::ClientGoneListener {
  struct Awaiter {
    Gate& gate;
    bool await_ready() const noexcept { return gate.open; }
    void await_suspend(std::coroutine_handle<> handler) { gate.waiter = handler; }
    void await_resume() const noexcept {}
  };
  Awaiter wait() { return Awaiter{*this}; }
  void let_go() {
    open = true;
    if (waiter) std::exchange(waiter, nullptr).resume();
  }
  bool on_client_gone(bool) override {
    if (deaf > 0) return --deaf, false;
    ++gone;
    let_go();
    return true;
  }
  bool open = false;
  int gone = 0;
  int deaf = 0;  // so often it concerns nobody yet
  std::coroutine_handle<> waiter;
};

class TestHandler : public message::Handler {
 public:
  base::Task<void> handle(Exchange& exchange) override {
    ++requests;
    const std::string path(exchange.request.path);
    if (special) return special(exchange);
    if (path == "/echo") return echo(exchange);
    if (path == "/early") return plain(exchange, "early");
    if (path == "/stream") return stream(exchange);
    if (path == "/length") return with_length(exchange, "0123456789", 10);
    if (path == "/short") return with_length(exchange, "01234", 10);
    if (path == "/long") return with_length(exchange, "0123456789abcdef", 10);
    if (path == "/abort") return aborted(exchange);
    if (path == "/silent") return nothing(exchange);
    if (path == "/throw") return throwing(exchange, false);
    if (path == "/throw-late") return throwing(exchange, true);
    if (path == "/wait") return waiting(exchange);
    if (path == "/late-echo") return late_echo(exchange);
    if (path == "/big") return big(exchange);
    if (path == "/file") return file(exchange);
    if (path == "/no-content") return status_only(exchange, 204);
    if (path == "/not-modified") return status_only(exchange, 304);
    if (path == "/hints") return hints(exchange);
    if (path == "/where") return where(exchange);
    return plain(exchange, "hello " + path);
  }

  std::function<base::Task<void>(Exchange&)> special;  // answers everything
  int requests = 0;
  Gate gate;
  std::string read_body;
  std::vector<BodyStatus> ends;
  size_t big_size = 8'000'000;
  size_t big_taken = 0;
  int file_descriptor = -1;
  uint64_t file_announced = 0;
  uint64_t file_length = 0;  // 0: as announced
  std::vector<WriteStatus> writes;

 private:
  base::Task<void> plain(Exchange& exchange, std::string text) {
    Response response;
    response.headers.add("Content-Type", "text/plain");
    auto writing = exchange.response.head(response, text, true);
    writes.push_back(co_await writing);
  }
  base::Task<void> where(Exchange& exchange) {
    const message::Request& r = exchange.request;
    std::string text = std::string(r.scheme) + " " + std::string(r.authority) + " " + std::string(r.server_name) + " " +
                       std::to_string(r.server_port) + " " + std::string(r.remote_address);
    return plain(exchange, text);
  }
  base::Task<void> echo(Exchange& exchange) {
    std::string body;
    while (true) {
      auto reading = exchange.body.read();
      const BodyPiece piece = co_await reading;
      if (piece.status == BodyStatus::kPiece) {
        EXPECT_FALSE(piece.bytes.empty());
        body += piece.bytes;
        continue;
      }
      ends.push_back(piece.status);
      if (piece.status == BodyStatus::kDisconnected) co_return;
      Response response;
      if (piece.status == BodyStatus::kTooLarge) response.status = 413;
      if (piece.status == BodyStatus::kMalformed) response.status = 400;
      if (piece.status == BodyStatus::kTimedOut) response.status = 408;
      read_body = body;
      const std::string answer = response.status == 200 ? body : "error\n";
      auto writing = exchange.response.head(response, answer, true);
      writes.push_back(co_await writing);
      co_return;
    }
  }
  base::Task<void> stream(Exchange& exchange) {
    Response response;
    auto starting = exchange.response.head(response, "", false);
    co_await starting;
    for (const char* text : {"one ", "two ", "three"}) {
      auto writing = exchange.response.body(text, false);
      co_await writing;
    }
    auto ending = exchange.response.finish();
    co_await ending;
  }
  base::Task<void> with_length(Exchange& exchange, std::string text, uint64_t length) {
    Response response;
    response.content_length = length;
    auto starting = exchange.response.head(response, text.substr(0, 3), false);
    co_await starting;
    auto writing = exchange.response.body(std::string_view(text).substr(3), false);
    co_await writing;
    auto ending = exchange.response.finish();
    co_await ending;
  }
  base::Task<void> aborted(Exchange& exchange) {
    Response response;
    auto starting = exchange.response.head(response, "partial", false);
    co_await starting;
    exchange.response.abort();
  }
  base::Task<void> nothing(Exchange&) { co_return; }
  base::Task<void> throwing(Exchange& exchange, bool late) {
    if (late) {
      Response response;
      auto starting = exchange.response.head(response, "begun", false);
      co_await starting;
    }
    throw std::runtime_error("the application broke");
  }
  base::Task<void> waiting(Exchange& exchange) {
    exchange.gone_listener = &gate;
    auto opened = gate.wait();
    co_await opened;
    exchange.gone_listener = nullptr;
    if (exchange.response.client_gone()) co_return;
    auto answering = plain(exchange, "waited");
    co_await answering;
  }
  base::Task<void> late_echo(Exchange& exchange) {
    auto opened = gate.wait();
    co_await opened;
    auto answering = echo(exchange);
    co_await answering;
  }
  base::Task<void> big(Exchange& exchange) {
    Response response;
    const std::string piece(50'000, 'b');
    auto starting = exchange.response.head(response, "", false);
    co_await starting;
    while (big_taken < big_size) {
      auto writing = exchange.response.body(piece, false);
      const WriteStatus status = co_await writing;
      writes.push_back(status);
      if (status != WriteStatus::kWritten) co_return;
      big_taken += piece.size();
    }
    auto ending = exchange.response.finish();
    writes.push_back(co_await ending);
  }
  base::Task<void> file(Exchange& exchange) {
    Response response;
    response.content_length = file_announced;
    auto starting = exchange.response.head(response, "", false);
    co_await starting;
    auto sending = exchange.response.file(file_descriptor, 0, file_length ? file_length : file_announced);
    writes.push_back(co_await sending);
    auto ending = exchange.response.finish();
    co_await ending;
  }
  base::Task<void> status_only(Exchange& exchange, uint16_t status) {
    Response response;
    response.status = status;
    auto starting = exchange.response.head(response, "must not be seen", false);
    co_await starting;
    auto writing = exchange.response.body("nor this", false);
    co_await writing;
    auto ending = exchange.response.finish();
    co_await ending;
  }
  base::Task<void> hints(Exchange& exchange) {
    Response early;
    early.status = 103;
    early.headers.add("Link", "</style.css>; rel=preload");
    auto hinting = exchange.response.informational(early);
    co_await hinting;
    auto answering = plain(exchange, "hinted");
    co_await answering;
  }
};

class TestServer {
 public:
  explicit TestServer(ServeOptions options = {})
      : server(std::make_unique<HttpServer>(loop, options, handler, filter, observer, log)) {
    auto socket = io::open_listening_socket("127.0.0.1:0", {});
    EXPECT_TRUE(socket.ok());
    listener = std::make_unique<io::Listener>(loop, std::move(*socket), log,
                                              [this](base::FileDescriptor accepted, const io::Address& peer) {
                                                server->accept(std::move(accepted), peer, listener->local_address());
                                              });
  }
  // Runs the loop until `done` or for at most `milliseconds`.
  bool run_until(const std::function<bool()>& done, int milliseconds = 5000) {
    struct Check : io::TurnHook {
      bool end_of_turn() override {
        if (done()) loop.stop();
        return false;
      }
      Check(const std::function<bool()>& condition, io::Loop& on) : done(condition), loop(on) {}
      const std::function<bool()>& done;
      io::Loop& loop;
    } check(done, loop);
    io::Timer deadline(loop.timers(), [this] { loop.stop(); });
    io::Timer tick(loop.timers(), [&] { tick.set(base::monotonic_now() + std::chrono::milliseconds(1)); });
    deadline.set(base::monotonic_now() + std::chrono::milliseconds(milliseconds));
    tick.set(base::monotonic_now());
    loop.add_hook(check);
    loop.run();
    loop.remove_hook(check);
    return done();
  }
  void run_for(int milliseconds) {
    run_until([] { return false; }, milliseconds);
  }

  io::Loop loop;
  RecordingLog log;
  RecordingObserver observer;
  TestFilter filter;
  TestHandler handler;
  std::unique_ptr<HttpServer> server;
  std::unique_ptr<io::Listener> listener;
};

class Client {
 public:
  explicit Client(TestServer& server, int receive_buffer = 0) : server_(server) {
    socket_ = base::FileDescriptor(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (receive_buffer) setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(server.listener->local_address().port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  // Sends all, taking turns with the server where the kernel is full. False: the connection broke.
  bool send(std::string_view bytes) {
    bool broken = false;
    server_.run_until([&] {
      while (!bytes.empty()) {
        const ssize_t count = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (count <= 0) {
          broken = errno != EAGAIN;
          return broken;
        }
        bytes.remove_prefix(static_cast<size_t>(count));
      }
      return true;
    });
    return !broken && bytes.empty();
  }
  // What has come so far joins `received`.
  void take() {
    char buffer[65536];
    while (!ended && !reset) {
      const ssize_t count = ::recv(socket_.get(), buffer, sizeof buffer, MSG_DONTWAIT);
      if (count > 0) {
        received.append(buffer, static_cast<size_t>(count));
      } else if (count == 0) {
        ended = true;
      } else if (errno == EAGAIN) {
        return;
      } else {
        reset = true;
      }
    }
  }
  bool receive_until(const std::function<bool()>& done, int milliseconds = 5000) {
    return server_.run_until(
        [&] {
          take();
          return done();
        },
        milliseconds);
  }
  bool receive_to_end(int milliseconds = 5000) {
    return receive_until([this] { return ended || reset; }, milliseconds);
  }
  bool receive_text(std::string_view text, int milliseconds = 5000) {
    return receive_until([&] { return received.find(text) != std::string::npos; }, milliseconds);
  }
  void finish_sending() { ::shutdown(socket_.get(), SHUT_WR); }
  void leave() { socket_.reset(); }
  void leave_with_reset() {
    const linger at_once{1, 0};
    setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    socket_.reset();
  }
  size_t count(std::string_view text) const {
    size_t found = 0;
    for (size_t at = received.find(text); at != std::string::npos; at = received.find(text, at + text.size())) ++found;
    return found;
  }
  int descriptor() const { return socket_.get(); }

  std::string received;
  bool ended = false;
  bool reset = false;

 private:
  TestServer& server_;
  base::FileDescriptor socket_;
};

inline std::string get(std::string_view path, std::string_view fields = "") {
  return "GET " + std::string(path) + " HTTP/1.1\r\nHost: a\r\n" + std::string(fields) + "\r\n";
}
inline std::string post(std::string_view path, std::string_view body, std::string_view fields = "") {
  return "POST " + std::string(path) + " HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n" + std::string(fields) + "\r\n" + std::string(body);
}

}  // namespace cutwater::serve::test
