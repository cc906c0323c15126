// Call: one request and its answer on a connection to a peer, whatever protocol they are in.
//
//   begin -> read_head, until it is no interim one -> take_body -> read_body, until it ends
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/task.h"
#include "codec/http1/response_parser.h"
#include "io/loop.h"
#include "io/stream.h"
#include "message/exchange.h"
#include "message/response.h"

namespace cutwater::upstream {

struct CallOptions {
  // Longest wait for the whole head, from the end of the request's sending on; then between two pieces.
  base::Duration silence = std::chrono::seconds(60);
  codec::http1::ResponseLimits head;
  bool keeps_connection = true;  // the peer takes another request on the connection
  // The answer lets somebody in: it counts only with a field in its head and the end of its protocol, so that a
  // program that dies half-way, or prints its own error first, grants nothing.
  bool authorizes = false;
};

enum class CallStatus {
  kFine,
  kNoAnswer,         // the connection ended before a byte of an answer came
  kCutHead,          // it ended within the head
  kBroken,           // reason() says what was wrong with it
  kTruncated,        // it ended within the body
  kOverloaded,       // the peer refused the request without having begun with it
  kCannotMultiplex,  // likewise, since it believes that another one runs on the connection
  kTimedOut,         // reason() says so when the body came too slowly; else nothing came
  kClientFailed,     // client_failure() says how
  kDataFailed,       // what was to go behind the request's body could not be read: nothing that the peer did
};

struct CallPiece {
  CallStatus status = CallStatus::kFine;
  std::string_view bytes;  // until the next co_await of anything
  bool complete = false;   // nothing follows
  // All that was announced is there, and held back until the peer says that this is all, or for as long as that may
  // take. Nothing of the answer should go on before the next read_body() has come back.
  bool awaits_end = false;
  // With these bytes all that was announced has been given out, and the peer has not said in time that this is all.
  bool only_end_missing = false;
};

// What the peer sent after Content-Length bytes of body, which was dropped.
enum class Excess {
  kNone,
  kSpace,  // no more than templates leave behind
  kMore
};

class StderrSink;

// What is outstanding of a call when its caller has all of the answer: the word that this was all. It needs nothing of
// the call but its stream.
class CallRest {
 public:
  enum class Outcome {
    kReusable,  // the peer takes another request on the connection
    kEnded,     // it may not be used again
    kBroken,    // reason() says what was wrong
    kGivenUp,   // more came that nobody reads than was worth reading
    kTimedOut,
  };
  virtual ~CallRest() = default;
  virtual base::Task<Outcome> run(io::Loop& loop, io::Stream& stream, StderrSink& errors, base::Instant deadline) = 0;
  virtual const char* reason() const = 0;
  // More than was announced came, and was dropped.
  virtual bool went_on() const = 0;
};

class Call {
 public:
  virtual ~Call() = default;

  // Sends the request; its body follows in the background.
  virtual void begin(std::string head) = 0;
  // The next head: one of status 103 counts, other interim ones do not.
  virtual base::Task<CallStatus> read_head() = 0;
  // The last head: until the next read_head(), or the end of the call.
  virtual message::Response& response() = 0;
  // A path of this server that is to answer instead; else empty (RFC 3875 section 6.2.2).
  virtual std::string_view local_redirect() const { return {}; }
  // With status 101, which says that the peer has switched to what was offered: what came behind the head, until the
  // next co_await of anything. The stream is the caller's from then on.
  virtual std::string_view behind_switch() const { return {}; }

  // The part of the body that came with the head, without waiting; call it before any co_await.
  virtual CallPiece take_body() = 0;
  virtual base::Task<CallPiece> read_body() = 0;

  // With only_end_missing, of a request that was sent whole: ends the call.
  virtual std::unique_ptr<CallRest> leave() { return nullptr; }

  // Whoever waits for the peer is woken and told kClientFailed (kDisconnected).
  virtual void abandon() = 0;

  virtual const char* reason() const = 0;
  virtual Excess excess() const { return Excess::kNone; }
  virtual message::BodyStatus client_failure() const = 0;
  // Whether all of the request was sent: the peer waits for no more of it.
  virtual bool request_sent() const { return true; }
  // Whether the peer can have had none of the request.
  virtual bool delivered_nothing() const = 0;
  // Both sides are complete, nothing was left over, and the peer takes another request.
  virtual bool connection_reusable() const = 0;
};

}  // namespace cutwater::upstream
