// HttpCall: one HTTP/1.1 request and its answer on a connection to a peer.
//
//   begin -> read_head, until it is no interim one -> take_body -> read_body, until it ends
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/task.h"
#include "codec/http1/response_parser.h"
#include "io/loop.h"
#include "io/stream.h"
#include "upstream/request_body.h"
#include "upstream/upload.h"

namespace cutwater::upstream {

struct CallOptions {
  base::Duration silence = std::chrono::seconds(60);  // longest wait for the head, and between two pieces
  codec::http1::ResponseLimits head;
};

enum class CallStatus {
  kFine,
  kNoAnswer,   // the connection ended before a byte of an answer came
  kBroken,     // reason() says what was wrong with it; or it ended within the head
  kTruncated,  // it ended within the body
  kTimedOut,
  kClientFailed,  // client_failure() says how
};

struct CallPiece {
  CallStatus status = CallStatus::kFine;
  std::string_view bytes;  // until the next co_await of anything
  bool complete = false;   // nothing follows
};

class HttpCall {
 public:
  static constexpr unsigned kMostInterim = 32;

  // All outlive the call. `method` is the request's.
  HttpCall(io::Loop& loop, io::Stream& stream, std::string_view method, RequestBody& body, const CallOptions& options);

  // Sends the request; its body follows in the background. `head` is copied where it must be.
  void begin(std::string_view head) { upload_.begin(head); }

  // The next head: one of status 103 counts, other interim ones do not. 101 is kBroken: nobody asked for it.
  base::Task<CallStatus> read_head();
  // The last head: until the next read_head(), or the end of the call.
  message::Response& response() { return parsed_.response; }

  // The part of the body that came with the head, without waiting; call it before any co_await.
  CallPiece take_body();
  base::Task<CallPiece> read_body();

  // Whoever waits for the peer is woken and told kClientFailed (kDisconnected).
  void abandon();

  const char* reason() const { return reason_; }
  message::BodyStatus client_failure() const;
  // Whether the peer can have had none of the request.
  bool delivered_nothing() const { return !upload_.delivered_any(); }
  bool received_any() const { return received_any_; }
  // Both sides are complete, and nothing was left over.
  bool connection_reusable() const;

 private:
  enum class Received { kBytes, kEnd, kReset, kTimedOut };
  base::Task<Received> receive();
  base::Task<bool> wait_for_bytes();
  std::optional<CallStatus> scan_head();
  CallStatus cause_of(Received received) const;
  CallStatus broken(const char* why);
  void keep_rest();

  io::Loop& loop_;
  io::Stream& stream_;
  const std::string_view method_;
  const CallOptions& options_;
  std::string kept_;       // what came of the head, when it came in pieces
  std::string head_;       // the bytes of response()
  std::string_view rest_;  // received, not used: in the shared buffer, until the next co_await, or in kept_
  codec::http1::ResponseScanner scanner_;
  codec::http1::ParsedResponse parsed_;
  codec::http1::ResponseBodyDecoder decoder_;
  const char* reason_ = "";
  unsigned interim_ = 0;
  unsigned reads_this_turn_ = 0;
  bool more_likely_ = false;  // the last read filled the buffer
  bool received_any_ = false;
  bool body_complete_ = false;
  bool abandoned_ = false;
  Upload upload_;  // ends first: it uses the stream
};

}  // namespace cutwater::upstream
