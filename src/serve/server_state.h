// What the connections of one HttpServer share.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "serve/date_cache.h"
#include "serve/exchange_memory.h"
#include "serve/http_server.h"
#include "serve/input.h"

namespace cutwater::serve {

// Connections in order of their becoming idle; each is in at most one list.
struct ConnectionLink {
  ConnectionLink* previous = this;
  ConnectionLink* next = this;

  void unlink() {
    previous->next = next;
    next->previous = previous;
    previous = next = this;
  }
  void append_to(ConnectionLink& list) {
    previous = list.previous;
    next = &list;
    previous->next = this;
    list.previous = this;
  }
};

// What the server asks of a connection, whatever it speaks.
class ServedConnection : public ConnectionLink {
 public:
  virtual ~ServedConnection() = default;
  virtual void start() = 0;
  // Idle, and no byte of a request lies in the kernel: closing it now loses nothing.
  virtual bool may_be_closed() const = 0;
  virtual bool never_asked() const = 0;
  virtual base::Instant idle_since() const = 0;
  // At the end of the turn, for who is in hung_up. False: again next turn.
  virtual bool tell_hangup() = 0;
};

struct ServerState {
  ServerState(io::Loop& on, const ServeOptions& given, message::Handler& handler, RequestFilter& request_filter,
              ExchangeObserver& told, base::LogSink& sink)
      : loop(on), options(given), root(handler), filter(request_filter), observer(told), log(sink) {}

  io::Loop& loop;
  const ServeOptions options;
  message::Handler& root;
  RequestFilter& filter;
  ExchangeObserver& observer;
  base::LogSink& log;

  DateCache dates;
  ReceiveBuffer receive_buffer;
  ExchangePool exchanges;
  uint64_t last_exchange = 0;
  base::Instant warned_of_foreigner{INT64_MIN / 2};
  base::Instant warned_of_modifier{INT64_MIN / 2};
  bool draining = false;

  ConnectionLink idle;  // wait for a request and have none of its bytes
  ConnectionLink busy;
  std::vector<ServedConnection*> hung_up;   // to be told to their handlers at the end of the turn
  std::vector<ServedConnection*> finished;  // to be destroyed at the end of the turn
};

}  // namespace cutwater::serve
