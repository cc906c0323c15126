// One request of a FastCGI connection, a coroutine of its own beside those of the others.
#pragma once

#include <cstdint>
#include <optional>

#include "base/task.h"
#include "codec/fastcgi/server_session.h"
#include "io/listener.h"
#include "serve/exchange_core.h"
#include "serve/exchange_memory.h"
#include "serve/fastcgi_writer.h"
#include "serve/output.h"
#include "serve/server_state.h"
#include "serve/streamed_body.h"

namespace cutwater::serve {

class FastcgiExchange;

class FastcgiExchangeOwner : public OutputRoom, public BodyFeeder {
 public:
  // Called by its coroutine, which is over then; it must not be destroyed within the call.
  virtual void on_ended(FastcgiExchange& exchange) = 0;
};

class FastcgiExchange {
 public:
  // Everything outlives the exchange, the variables that the session has of `request_id` until on_ended().
  FastcgiExchange(ServerState& server, FastcgiExchangeOwner& owner, Output& output,
                  const codec::fastcgi::ServerSession& session, uint16_t request_id, const io::Address& peer,
                  const io::Address& local);
  FastcgiExchange(const FastcgiExchange&) = delete;
  FastcgiExchange& operator=(const FastcgiExchange&) = delete;

  void start() { task_.start(run()); }
  // Instead: an answer of ours. `reason` is for the log.
  void start_refused(uint16_t status, const char* reason);
  uint16_t request_id() const { return request_id_; }
  // Of a stream: a piece, its end, or that it is none. May resume the handler.
  void take(const codec::fastcgi::ServerSession::Event& event);
  // More waits for the handler than may.
  bool full() const { return body_.full() || (data_ && data_->full()); }
  // What is full goes to `spool` from now on. False: nothing is, or it cannot.
  bool spill_to(BodySpool& spool);
  void set_held_up(bool held_up);
  // Nothing more comes for it. An answer may be whole long before: even the end of an empty body is a record of its
  // own.
  bool input_ended() const { return streams_left_ == 0; }
  // The answer is whole, or the peer wants none: END_REQUEST may say so.
  bool may_end() const { return aborted_ || writer_.complete(); }
  // Nobody is left whom a missing end could tell anything: the peer has gone, or may have, and no answer was begun.
  bool gone() const { return gone_ || (!writer_.head_sent() && writer_.client_gone()); }

  // The peer sent ABORT_REQUEST. May resume the handler, as the next two.
  void abort();
  void client_left();
  // The peer sends nothing more, and may still read. A request that is not whole has come to nothing then.
  void sending_ended();
  // The deadline of a stop: the handler is cancelled, and who still waits for an answer gets 503. Returns whether it is
  // whole.
  bool cut();
  // Tells the handler of it. False: nobody there wants to know yet.
  bool tell_gone();

 private:
  base::Task<void> run();
  uint16_t begin();
  void begin_body();
  base::Task<uint16_t> wait_for_empty_body();
  uint16_t begin_data();
  void spoil(const char* reason);

  ServerState& server_;
  FastcgiExchangeOwner& owner_;
  const uint16_t request_id_;
  uint16_t refused_ = 0;
  const char* spoilt_ = nullptr;  // why its streams are none
  bool aborted_ = false;
  bool gone_ = false;
  bool gone_untold_ = false;
  bool over_ = false;
  bool must_be_empty_ = false;  // the body
  int streams_left_ = 0;        // that have not ended
  ExchangePool::Pointer memory_;
  FastcgiWriter writer_;
  StreamedBody body_;
  std::optional<StreamedBody> data_;  // a filter's second stream
  ExchangeCore core_;
  base::TaskSet task_;  // last: cancelled before anything it uses ends
};

}  // namespace cutwater::serve
