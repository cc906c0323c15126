// Exchange: one request and the way to answer it. Handler: everything that answers (static file, app, redirect,
// error page, gateway). Both sides are pulled: a handler asks for body pieces, and awaits the writer, which holds
// it back while the client does not read.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/task.h"
#include "message/request.h"
#include "message/response.h"

namespace cutwater::message {

enum class BodyStatus {
  kPiece,         // `bytes` is the next piece, never empty; it lives until the next co_await of anything
  kEnd,           // complete; trailers, if any, were checked and dropped
  kTooLarge,      // over limits.body: answer 413
  kMalformed,     // broken chunk framing: answer 400, the connection ends
  kTimedOut,      // answer 408
  kDisconnected,  // the client left before the body was complete: nobody is left to answer
};
struct BodyPiece {
  BodyStatus status;
  std::string_view bytes;
};

// The request's body. The first read sends "100 Continue" when the client waits for it.
class BodySource {
 public:
  virtual ~BodySource() = default;
  virtual base::Task<BodyPiece> read() = 0;
};

enum class WriteStatus { kWritten, kClientGone };

// Of a request that has none.
class NoBody final : public BodySource {
 public:
  base::Task<BodyPiece> read() override { co_return BodyPiece{BodyStatus::kEnd, {}}; }
};

// Writes the response. Bytes passed are sent or copied before the first suspension: the caller may free them as
// soon as the call was made. For HEAD, 204 and 304 body bytes are dropped here.
class ResponseWriter {
 public:
  virtual ~ResponseWriter() = default;
  virtual base::Task<WriteStatus> informational(const Response& response) = 0;  // 103 Early Hints
  // `first_piece` is sent together with the head; `complete`: it is the whole body.
  // Status 101, only for a request with `upgrade`, opens a tunnel: from then on body() sends bytes as they are,
  // finish() ends this direction alone, and the body source gives what the client sends, without a deadline, until
  // kEnd.
  virtual base::Task<WriteStatus> head(const Response& response, std::string_view first_piece, bool complete) = 0;
  // `complete`: the last piece; finish() has nothing to do any more.
  virtual base::Task<WriteStatus> body(std::string_view piece, bool complete) = 0;
  virtual base::Task<WriteStatus> file(int descriptor, uint64_t offset, uint64_t length) = 0;
  // The body is complete. When fewer bytes came than Content-Length announced, the connection is cut instead.
  virtual base::Task<WriteStatus> finish() = 0;
  // Sent behind the body where the protocol and the client take them (TE: trailers), else dropped. Between the head and
  // the end. Framing fields among them are dropped.
  virtual void trailers(const Headers&) {}
  // The answer cannot be completed: the client must see the truncation (no last chunk, connection cut).
  virtual void abort() = 0;

  virtual bool head_sent() const = 0;
  virtual uint16_t status() const = 0;  // 0 before the head
  virtual uint64_t body_bytes_sent() const = 0;
  virtual bool client_gone() const = 0;
  // Bytes of a body that could be written now without a wait. All, but where others write on the same connection: what
  // they left there unsent is before it.
  virtual size_t room() const { return SIZE_MAX; }
};

class ClientGoneListener {
 public:
  virtual ~ClientGoneListener() = default;
  // `for_good`: nothing reaches it any more. Else it may only have closed its sending half, and is told again if the
  // rest follows. False: it concerns nobody yet, and is to be told again, also to whoever listens later.
  virtual bool on_client_gone(bool for_good) = 0;
};

// Who handed the request over.
class Sender {
 public:
  virtual ~Sender() = default;
  // A web server in front that is believed, not a client itself.
  virtual bool is_trusted_web_server() const = 0;
};

struct Exchange {
  Request& request;
  BodySource& body;
  ResponseWriter& response;
  base::Instant began;  // first byte of the head
  // Who asked, before trusted proxies were believed: the peer, or the one that a web server in front names.
  std::string_view connection_address;
  uint64_t id = 0;                              // unique within this front: request id in log lines
  ClientGoneListener* gone_listener = nullptr;  // set by a handler while it waits for something slow
  BodySource* data = nullptr;                   // a FastCGI filter's second stream: what to filter. Read after the body
  const Sender* sender = nullptr;               // nobody to believe
  unsigned redirects = 0;                       // how many answers before named a path here instead of answering
};

class Handler {
 public:
  virtual ~Handler() = default;
  // Answers `exchange`, which outlives the task. If it ends without a head the connection answers 500.
  virtual base::Task<void> handle(Exchange& exchange) = 0;
};

}  // namespace cutwater::message
