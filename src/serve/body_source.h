// The request's body as a handler pulls it: received when asked for, decoded in place, within the limits and
// the pace of faults.md 66-70.
#pragma once

#include <cstdint>
#include <optional>

#include "base/task.h"
#include "codec/http1/body_decoder.h"
#include "io/loop.h"
#include "io/stream.h"
#include "message/exchange.h"
#include "serve/http_server.h"
#include "serve/input.h"

namespace cutwater::serve {

// Whoever can tell the client to go on; the response writer.
class ContinueSender {
 public:
  virtual ~ContinueSender() = default;
  virtual void send_continue() = 0;
};

class RequestBody final : public message::BodySource {
 public:
  // Everything outlives the body. Until begin() it is empty and complete.
  RequestBody(io::Loop& loop, io::Stream& stream, ConnectionInput& input, const ServeOptions& options,
              ContinueSender& sender);
  void begin(const message::Request& request);

  base::Task<message::BodyPiece> read() override;

  // Reads and drops the rest so that the connection can go on. False: more than `most` bytes, too slow, or
  // broken.
  base::Task<bool> drain(uint64_t most, base::Instant deadline);

  // The head of a 101 went out: everything that comes now is the client's side of a tunnel.
  void switch_protocols() {
    tunnel_ = true;
    ended_.reset();
  }

  bool complete() const { return ended_ == message::BodyStatus::kEnd; }
  bool failed() const { return ended_ && !complete(); }
  bool client_left() const { return ended_ == message::BodyStatus::kDisconnected; }
  // Why the bytes are no body, or not one that is taken; nullptr: they are, as far as it was read.
  const char* refused() const { return refused_; }
  // The client waits for "100 Continue" and was not told: it may send the body or leave it.
  bool client_waits() const { return expects_continue_ && !received_any_; }
  // Bytes that are known to come; 0 with chunked framing.
  uint64_t known_remaining() const;
  // The response's head goes out: "100 Continue" would come too late.
  void head_was_sent() { may_send_continue_ = false; }

 private:
  // nullopt: needs more bytes. Never suspends.
  std::optional<message::BodyPiece> take_piece();
  message::BodyPiece end_with(message::BodyStatus status);
  base::Instant deadline() const;
  base::Task<bool> wait(base::Instant until);
  base::Task<message::BodyPiece> read_tunnel();

  io::Loop& loop_;
  io::Stream& stream_;
  ConnectionInput& input_;
  const ServeOptions& options_;
  ContinueSender& sender_;
  codec::http1::BodyDecoder decoder_;
  message::BodyFraming framing_ = message::BodyFraming::kNone;
  std::optional<message::BodyStatus> ended_ = message::BodyStatus::kEnd;  // how; kEnd: well
  bool expects_continue_ = false;
  bool may_send_continue_ = true;
  bool tunnel_ = false;
  bool received_any_ = false;
  int reads_this_turn_ = 0;
  uint64_t received_ = 0;
  const char* refused_ = nullptr;
  base::Duration waited_{0};  // for the client; the handler's own pauses do not count against it
};

}  // namespace cutwater::serve
