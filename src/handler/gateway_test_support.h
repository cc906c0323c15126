// A server behind us, played by the test on the same loop: it notes each request and answers as it is told.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/task.h"
#include "base/text.h"
#include "codec/fastcgi/record.h"
#include "codec/fastcgi/server_session.h"
#include "handler/gateway.h"
#include "handler/handler_test_support.h"
#include "io/listener.h"
#include "upstream/peer_group.h"

namespace cutwater::handler {

struct FakeAnswer {
  std::string bytes;
  enum class Then { kKeep, kClose, kReset } then = Then::kKeep;
};

class FakeServer {
 public:
  using Script = std::function<FakeAnswer(const std::string& request)>;

  FakeServer(io::Loop& loop, base::LogSink& log, Script script) : loop_(loop), script_(std::move(script)) {
    auto socket = io::open_listening_socket("127.0.0.1:0", {});
    EXPECT_TRUE(socket.ok());
    listener_ = std::make_unique<io::Listener>(
        loop, std::move(*socket), log,
        [this](base::FileDescriptor accepted, const io::Address&) { tasks_.start(serve(std::move(accepted))); });
    address_ = io::to_text(listener_->local_address());
  }

  const std::string& address() const { return address_; }
  // Refuses from now on, and drops who is connected.
  void die() {
    listener_.reset();
    tasks_.cancel_all();
    open_.clear();
  }
  // Connections are reset; new ones are taken.
  void reset_all() {
    for (io::Stream* stream : open_) stream->reset_on_close();
    tasks_.cancel_all();
    open_.clear();
  }

  // Connections that the other side has not ended.
  size_t open() const { return open_.size(); }

  std::vector<std::string> requests;  // whole ones
  int connections = 0;

 private:
  static bool is_complete(const std::string& received) {
    const size_t end = received.find("\r\n\r\n");
    if (end == std::string::npos) return false;
    const size_t length = received.find("\r\nContent-Length: ");
    if (length != std::string::npos && length < end) {
      return received.size() >= end + 4 + std::stoul(received.substr(length + 18));
    }
    return received.find("\r\nTransfer-Encoding: chunked") == std::string::npos || received.ends_with("0\r\n\r\n");
  }

  base::Task<void> serve(base::FileDescriptor accepted) {
    ++connections;
    auto stream = io::make_socket_stream(loop_, std::move(accepted));
    open_.push_back(stream.get());
    std::string received;
    while (true) {
      co_await stream->readable(base::kNever);
      char buffer[65536];
      const io::IoResult result = stream->read(buffer);
      if (result.status == io::IoStatus::kWouldBlock) continue;
      if (result.status != io::IoStatus::kDone) break;
      received.append(buffer, result.count);
      if (!is_complete(received)) continue;
      requests.push_back(std::move(received));
      received.clear();
      const FakeAnswer answer = script_(requests.back());
      size_t sent = 0;
      while (sent < answer.bytes.size()) {
        const iovec rest{const_cast<char*>(answer.bytes.data()) + sent, answer.bytes.size() - sent};
        const io::IoResult written = stream->write(std::span(&rest, 1));
        if (written.status == io::IoStatus::kFailed) break;
        if (written.status == io::IoStatus::kDone) {
          sent += written.count;
        } else {
          co_await stream->writable(base::kNever);
        }
      }
      if (answer.then == FakeAnswer::Then::kReset) stream->reset_on_close();
      if (answer.then != FakeAnswer::Then::kKeep) break;
    }
    std::erase(open_, stream.get());
  }

  io::Loop& loop_;
  Script script_;
  std::string address_;
  std::unique_ptr<io::Listener> listener_;
  std::vector<io::Stream*> open_;
  base::TaskSet tasks_;
};

// A FastCGI program, likewise: one request on each connection.
class FakeProgram {
 public:
  using Event = codec::fastcgi::ServerSession::Event;

  FakeProgram(io::Loop& loop, base::LogSink& log) : loop_(loop) {
    auto socket = io::open_listening_socket("127.0.0.1:0", {});
    EXPECT_TRUE(socket.ok());
    listener_ = std::make_unique<io::Listener>(
        loop, std::move(*socket), log,
        [this](base::FileDescriptor accepted, const io::Address&) { tasks_.start(serve(std::move(accepted))); });
    address = io::to_text(listener_->local_address());
  }
  virtual ~FakeProgram() = default;

  std::string address;
  std::string output;  // its answer
  std::map<std::string, std::string> variables;
  codec::fastcgi::Role role = codec::fastcgi::Role::kResponder;
  codec::fastcgi::EndRequest end{};
  bool ends = true;     // the answer
  bool dies = false;    // instead of an answer
  bool silent = false;  // likewise
  unsigned requests = 0;

 private:
  // Whether it has what it answers to.
  virtual bool take(const Event& event) = 0;

  base::Task<void> serve(base::FileDescriptor accepted) {
    auto stream = io::make_socket_stream(loop_, std::move(accepted));
    codec::fastcgi::ServerSession session({});
    std::string received, replies;
    while (true) {
      const Event event = session.next(received, replies);
      if (event.kind == Event::kNeedMore) {
        received.erase(0, event.consumed);
        co_await stream->readable(base::kNever);
        char buffer[65536];
        const io::IoResult result = stream->read(buffer);
        if (result.status == io::IoStatus::kWouldBlock) continue;
        if (result.status != io::IoStatus::kDone) co_return;
        received.append(buffer, result.count);
        continue;
      }
      EXPECT_NE(event.kind, Event::kMalformed) << event.reason;
      if (event.kind == Event::kMalformed) co_return;
      if (event.kind == Event::kRequest) note(session);
      const bool answers = take(event) && !silent;
      received.erase(0, event.consumed);
      if (!answers) continue;
      if (dies) co_return;
      std::string bytes;
      codec::fastcgi::append_stream(bytes, codec::fastcgi::RecordType::kStdout, 1, output);
      if (ends) codec::fastcgi::append_end_request(bytes, 1, end);
      const iovec all{bytes.data(), bytes.size()};
      stream->write(std::span(&all, 1));
      co_return;
    }
  }
  void note(const codec::fastcgi::ServerSession& session) {
    ++requests;
    role = session.role(1);
    for (const auto& variable : session.variables(1)) variables.emplace(variable.name, variable.value);
  }

  io::Loop& loop_;
  std::unique_ptr<io::Listener> listener_;
  base::TaskSet tasks_;
};

inline FakeAnswer ok(std::string body) {
  return {"HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body,
          FakeAnswer::Then::kKeep};
}

struct GatewayTest : testing::Test {
  FakeServer& server(FakeServer::Script script) {
    servers.push_back(std::make_unique<FakeServer>(loop, log, std::move(script)));
    add_peer(servers.back()->address());
    return *servers.back();
  }
  void add_peer(const std::string& text) {
    auto addresses = upstream::resolve_peers(text);
    ASSERT_TRUE(addresses.ok());
    group.add(std::make_unique<upstream::Peer>(loop, addresses->front(), peer_options));
  }
  Gateway& gateway() {
    if (!made) made = std::make_unique<Gateway>(options, group, loop, spool, log);
    return *made;
  }
  void ask(TestExchange& exchange) {
    exchange.start(gateway());
    runner.until([&] { return exchange.done; });
  }
  int status_of(std::string_view method, std::string_view path = "/") {
    TestExchange exchange(method, path);
    ask(exchange);
    return exchange.writer.status();
  }
  bool logged(std::string_view code) {
    return std::any_of(log.lines.begin(), log.lines.end(),
                       [&](const std::string& line) { return line.starts_with(code); });
  }

  io::Loop loop;
  LoopRunner runner{loop};
  NotingLog log;
  io::Offload offload{loop, 1};
  SpoolArea spool{offload, ""};
  GatewayOptions options{.instance = "cutwater-test"};
  upstream::PeerOptions peer_options;
  upstream::PeerGroup group{"api", upstream::Balance::kRoundRobin};
  std::vector<std::unique_ptr<FakeServer>> servers;
  std::unique_ptr<Gateway> made;
};

}  // namespace cutwater::handler
