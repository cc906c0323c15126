// What every exchange does, whatever protocol brought it: checks a parsed request, has the handler answer it, answers
// itself what is refused, and tells the observer once.
#pragma once

#include <cstdint>
#include <exception>

#include "base/task.h"
#include "io/listener.h"
#include "message/exchange.h"
#include "serve/exchange_memory.h"
#include "serve/request_head.h"
#include "serve/response_writer.h"
#include "serve/server_state.h"

namespace cutwater::serve {

class ExchangeCore final : private message::Sender {
 public:
  // Everything outlives it.
  ExchangeCore(ServerState& server, ExchangeMemory& memory, ServedResponse& writer, message::BodySource& body,
               const io::Address& peer, const io::Address& local);
  ~ExchangeCore() override;
  ExchangeCore(const ExchangeCore&) = delete;
  ExchangeCore& operator=(const ExchangeCore&) = delete;

  // 0, or the status to refuse with.
  uint16_t parse(RequestHead& head);
  uint16_t check();  // of what was parsed, after its body has begun
  // False: nothing is refused, and it is for the handler to answer.
  bool answer_itself(uint16_t refusal);
  // Then: `auto handling = start_handler();` and, whatever becomes of it, end_handler() with what
  // `co_await handling.caught()` gives. Whoever calls is a coroutine already, and this needs none of its own.
  base::Task<void> start_handler();
  void end_handler(const std::exception_ptr& failure) {
    exchange_.gone_listener = nullptr;
    if (failure || !writer_.head_sent()) make_up_for(failure);
  }
  void refused_because(const char* reason) { refused_ = reason; }
  void report();
  // It is cancelled: whoever still waits for the answer is told 503.
  void cut();

  message::Exchange& exchange() { return exchange_; }
  const message::Exchange& exchange() const { return exchange_; }
  bool has_request() const { return head_taken_; }
  bool is_trusted_web_server() const override;

 private:
  bool is_awaited() const;  // no answer has begun, and somebody is there for it
  void fill_in_connection();
  const char* filter(message::Request& request);
  const char* apply_filter();
  void make_up_for(const std::exception_ptr& failure);
  void refuse(uint16_t status);
  void write_small(uint16_t status);
  void tell_refusal();

  ServerState& server_;
  ExchangeMemory& memory_;
  ServedResponse& writer_;
  const io::Address& peer_;
  const io::Address& local_;
  const char* refused_ = nullptr;  // why, for the observer
  uint16_t status_of_cut_ = 0;     // for the observer, where nothing was sent
  bool head_taken_ = false;        // there is a request to speak of
  bool reported_ = false;
  message::Exchange exchange_;
};

// Of a request that came to nothing before there was one to speak of: the log hears of it all the same.
void report_unspoken(ServerState& server, const io::Address& peer, const char* reason);

}  // namespace cutwater::serve
