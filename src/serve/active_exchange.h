// One request and its answer on a connection: from the first byte of the head to the last byte handed to the
// kernel.
#pragma once

#include <cstdint>

#include "base/task.h"
#include "io/listener.h"
#include "io/stream.h"
#include "serve/body_source.h"
#include "serve/exchange_core.h"
#include "serve/exchange_memory.h"
#include "serve/input.h"
#include "serve/output.h"
#include "serve/request_head.h"
#include "serve/response_writer.h"
#include "serve/server_state.h"

namespace cutwater::serve {

// What becomes of the connection after an exchange.
enum class Ending {
  kKeepAlive,
  kClose,   // the client expects it, nothing of its is unread
  kLinger,  // it may still be sending: read on a while, so that a reset does not eat the answer (RFC
            // 9112 9.6)
  kReset,   // the answer was cut and only a reset shows it, or the client takes nothing any more
};

// The connection whose requests are served; its parts outlive every exchange on it.
struct ClientSide {
  io::Stream& stream;
  ConnectionInput& input;
  SendPace& pace;
  const io::Address& peer;
  const io::Address& local;
};

class ActiveExchange {
 public:
  ActiveExchange(const ActiveExchange&) = delete;
  ActiveExchange& operator=(const ActiveExchange&) = delete;
  ~ActiveExchange() {
    core_.cut();
    output_.write_now();  // the report says how much went
    place_ = nullptr;
  }

  // Takes the head out of the input and answers; waits for the rest of the head where it is incomplete. The exchange
  // lives in the task's frame; `place` points to it for so long, and then is nullptr. All of these outlive the task.
  static base::Task<Ending> run(ServerState& server, const ClientSide& client, ActiveExchange*& place);

  // The peer's side ended while a handler was running.
  void peer_hung_up() { writer_.peer_hung_up(); }
  message::ClientGoneListener* gone_listener() const { return core_.exchange().gone_listener; }

 private:
  ActiveExchange(ServerState& server, const ClientSide& client, ActiveExchange*& place);

  base::Task<RequestHead::Outcome> wait_for_head(RequestHead& head);
  uint16_t parse(RequestHead& head);  // 0, or the status to refuse with
  base::Task<bool> settle(bool keep);
  Ending how_to_close() const;

  ServerState& server_;
  io::Stream& stream_;
  ConnectionInput& input_;
  ActiveExchange*& place_;
  ExchangePool::Pointer memory_;
  Output output_;
  HttpResponseWriter writer_;
  RequestBody body_;
  ExchangeCore core_;  // last: it reports what was cancelled
};

}  // namespace cutwater::serve
