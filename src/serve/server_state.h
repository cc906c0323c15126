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

class Connection;

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
  bool draining = false;

  ConnectionLink idle;  // wait for a request and have none of its bytes
  ConnectionLink busy;
  std::vector<Connection*> hung_up;   // to be told to their handlers at the end of the turn
  std::vector<Connection*> finished;  // to be destroyed at the end of the turn
};

}  // namespace cutwater::serve
