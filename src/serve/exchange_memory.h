// The memory of one exchange, pooled: a request's head and what was made of it. Idle connections hold none.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "codec/cgi_variables/variables.h"
#include "message/request.h"

namespace cutwater::serve {

struct ExchangeMemory {
  std::string head;       // the request's bytes, copied out of the receive buffer
  std::string decoded;    // path and authority, and field names from variables, where they are no views into the head
  std::string authority;  // of an HTTP/1.0 request without Host
  std::string filtered;   // what the RequestFilter put in their place
  std::string output;     // response bytes the kernel has not taken
  codec::Variables variables;  // of a gateway protocol, views into the head
  message::Request request;
};

class ExchangePool {
 public:
  struct GiveBack {
    ExchangePool* pool;
    void operator()(ExchangeMemory* memory) const { pool->give_back(memory); }
  };
  using Pointer = std::unique_ptr<ExchangeMemory, GiveBack>;

  Pointer take();  // empty; must come back before the pool ends

 private:
  void give_back(ExchangeMemory* memory);

  std::vector<std::unique_ptr<ExchangeMemory>> free_;
};

}  // namespace cutwater::serve
