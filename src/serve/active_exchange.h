// One request and its answer on a connection: from the first byte of the head to the last byte handed to the
// kernel. Lives in the frame of Connection::serve_one.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/task.h"
#include "codec/http1/request_parser.h"
#include "io/listener.h"
#include "io/stream.h"
#include "message/exchange.h"
#include "serve/body_source.h"
#include "serve/exchange_memory.h"
#include "serve/input.h"
#include "serve/output.h"
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

class ActiveExchange {
 public:
  // Everything outlives the exchange.
  ActiveExchange(ServerState& server, io::Stream& stream, ConnectionInput& input, const io::Address& peer,
                 const io::Address& local);
  ~ActiveExchange();
  ActiveExchange(const ActiveExchange&) = delete;
  ActiveExchange& operator=(const ActiveExchange&) = delete;

  // Takes the head out of the input and answers; waits for the rest of the head where it is incomplete.
  base::Task<Ending> run();

  // The peer's side ended while a handler was running.
  void peer_hung_up() { writer_.peer_hung_up(); }
  message::ClientGoneListener* gone_listener() const { return exchange_.gone_listener; }

 private:
  enum class Wait { kComplete, kRefused, kClientLeft };

  base::Task<Wait> wait_for_head(codec::http1::HeadScanner& scanner);
  codec::http1::HeadScanner::Outcome scan_head(codec::http1::HeadScanner& scanner);
  uint16_t refusal_of(const codec::http1::HeadScanner& scanner);
  uint16_t parse();  // 0, or the status to refuse with
  void fill_in_connection();
  uint16_t apply_filter();
  base::Task<void> run_handler();
  void refuse(uint16_t status);
  base::Task<bool> settle(bool keep);
  Ending how_to_close() const;
  void write_small(uint16_t status);
  void report();

  ServerState& server_;
  io::Stream& stream_;
  ConnectionInput& input_;
  const io::Address& peer_;
  const io::Address& local_;
  ExchangePool::Pointer memory_;
  const char* refused_ = nullptr;  // why, for the observer
  bool head_taken_ = false;        // there is a request to speak of
  bool reported_ = false;
  Output output_;
  HttpResponseWriter writer_;
  RequestBody body_;
  message::Exchange exchange_;
};

}  // namespace cutwater::serve
