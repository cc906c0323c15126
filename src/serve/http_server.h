// HttpServer: the inbound engine: each accepted connection is one coroutine that joins a Stream, the codec of the
// protocol by which HTTP requests come, and the root handler. Owns its connections.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "base/clock.h"
#include "base/log.h"
#include "codec/http1/request_parser.h"
#include "io/listener.h"
#include "io/loop.h"
#include "io/stream.h"
#include "message/exchange.h"
#include "serve/body_spool.h"

namespace cutwater::serve {

// How requests come: from clients themselves, or from a web server in front: by uwsgi and SCGI one on each connection,
// by FastCGI several, one after the other or at once.
enum class Protocol : uint8_t { kHttp, kUwsgi, kScgi, kFastcgi };

struct ServeOptions {
  Protocol protocol = Protocol::kHttp;
  codec::http1::HeadLimits head;
  uint64_t body_limit = 100 * 1024 * 1024;                   // limits.body
  base::Duration header_timeout = std::chrono::seconds(10);  // absolute, from the first byte of a head
  base::Duration keepalive = std::chrono::seconds(75);       // idle between requests
  uint64_t body_min_rate = 500;                              // limits.body_min_rate, bytes per second
  base::Duration body_grace = std::chrono::seconds(10);      // before the rate counts, and longest silence
  base::Duration send_timeout = std::chrono::seconds(60);    // no progress in writing
  size_t output_buffer = 512 * 1024;                         // unsent bytes of one response before a writer waits
  size_t connections = 20000;                                // limits.connections, of this front
  bool log_refusals = false;                                 // why a request was not taken: a debug line each
  BodySpool* spool = nullptr;  // for bodies that hold up others; outlives the server. Without: they do
};

// Decides what is believed of a request's forwarding fields before any handler sees it (faults.md 35, 36):
// may rewrite remote_address, scheme, authority and remove fields. Returns 0, or the status to refuse with. Behind a
// web server that speaks a gateway protocol `peer` is the client it names, since such fields are passed on unseen.
class RequestFilter {
 public:
  virtual ~RequestFilter() = default;
  // nullptr, or why the request is answered 400.
  virtual const char* filter(message::Request& request, const io::Address& peer, const io::Address& listener,
                             std::string& storage) = 0;
  // Whether a peer that speaks HTTP is a web server that is believed.
  virtual bool trusts(const io::Address&) const { return false; }
};

// Told when an exchange is over, for the access log. Called on the loop's thread; must not block. Refused
// heads (400, 408, 431 ...) are told too, with an empty method.
class ExchangeObserver {
 public:
  virtual ~ExchangeObserver() = default;
  struct Summary {
    uint16_t status = 0;  // of a request that we gave up ourselves 503; 0: the client left before an answer
    uint64_t body_bytes_sent = 0;
    base::Instant began{0};         // when the first byte of the head was here
    bool aborted = false;           // the response was cut
    const char* refused = nullptr;  // why the request was refused by the server itself, or nullptr
    uint64_t id = 0;                // the exchange's: what messages call the request
  };
  virtual void on_exchange_end(const message::Request& request, std::string_view connection_address,
                               const Summary& summary) = 0;
};

class HttpServer {
 public:
  // Everything outlives the server. Ignores SIGPIPE for the whole process: sendfile(2) would raise it.
  HttpServer(io::Loop& loop, const ServeOptions& options, message::Handler& root, RequestFilter& filter,
             ExchangeObserver& observer, base::LogSink& log);
  ~HttpServer();

  // Takes an accepted socket. `local` is the listener's address and outlives the connection. While draining
  // it is served once more, with "Connection: close": what the kernel had accepted already is not lost.
  void accept(base::FileDescriptor socket, const io::Address& peer, const io::Address& local);
  // The same for a connection of another kind than a plain socket.
  void accept(std::unique_ptr<io::Stream> stream, const io::Address& peer, const io::Address& local);

  // Before drain(), for what is accepted meanwhile: each answer is its connection's last.
  void begin_drain();
  // Graceful end: idle connections are closed now (those that never asked anything within a second), the
  // others after their running request ("Connection: close"). Listeners are the caller's. `on_drained` is
  // called once from the loop when no connection is left.
  void drain(std::function<void()> on_drained);
  // Now; running handlers are cancelled, and who waits for their answers is told 503. Not from within a handler.
  void close_all();
  // `on_full(true)`: limits.connections is reached, pause the listeners (the kernel's queue holds newcomers);
  // `on_full(false)`: resume them. Before the first, connections that idle for over a second make room.
  void when_full(std::function<void(bool full)> on_full);
  size_t connections() const;
  bool draining() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cutwater::serve
