// A request's head while it arrives, in the protocol of its server: bytes of the connection -> a message::Request.
#pragma once

#include <cstdint>

#include "codec/http1/request_parser.h"
#include "serve/exchange_memory.h"
#include "serve/http_server.h"
#include "serve/input.h"

namespace cutwater::serve {

// What a gateway protocol's variables may take for a head within `head`.
codec::VariableLimits variable_limits(const codec::http1::HeadLimits& head);

constexpr const char* kHttpCame = "an HTTP request, where a web server's is expected";
constexpr const char* kLeftInHead = "the client left in the middle of a request head";
// Whether what came where a web server's protocol is expected is an HTTP request.
bool looks_like_http(std::string_view bytes);
// What a web server sends that is told to speak a gateway protocol where HTTP is expected; nullptr for all else.
const char* web_server_request(std::string_view bytes);

class RequestHead {
 public:
  enum class Outcome {
    kIncomplete,
    kComplete,
    kRefused,   // answer status()
    kUnspoken,  // nobody is there to answer: the client left, or this is not its protocol
  };
  // Both outlive the head.
  RequestHead(const ServeOptions& options, ExchangeMemory& memory);

  // Takes a complete head out of `input` into the memory: what lies in the receive buffer dies at the next wait.
  Outcome take_from(ConnectionInput& input);
  Outcome timed_out();
  Outcome client_left();
  // What kComplete took becomes memory.request; kComplete or kRefused.
  Outcome parse();

  uint16_t status() const { return status_; }
  const char* reason() const { return reason_; }  // of kRefused and kUnspoken, for the log
  // What came, when the peer speaks another protocol than this server: somebody has to mend a configuration. Else
  // nullptr.
  const char* foreign() const { return foreign_; }
  // Of a uwsgi packet that is not Python's, the number that says so; else 0.
  uint8_t modifier() const { return modifier_; }

 private:
  Outcome scan_http(ConnectionInput& input);
  void note_head_request(std::string_view bytes);
  Outcome scan_uwsgi(ConnectionInput& input);
  Outcome scan_scgi(ConnectionInput& input);
  Outcome take_variables(ConnectionInput& input, size_t length);
  Outcome parse_variables();
  Outcome check_limits();
  Outcome refuse(uint16_t status, const char* reason);
  Outcome unspoken(std::string_view bytes, const char* reason);

  const ServeOptions& options_;
  ExchangeMemory& memory_;
  codec::http1::HeadScanner scanner_;
  size_t needed_ = 1;  // of a gateway protocol's head: with fewer bytes it cannot be complete
  uint16_t status_ = 0;
  const char* reason_ = nullptr;
  const char* foreign_ = nullptr;
  uint8_t modifier_ = 0;
};

}  // namespace cutwater::serve
