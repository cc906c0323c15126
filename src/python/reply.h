// Reply: the response of the running request, from start_response() to its last byte: when the head goes out,
// what Content-Length allows, what HEAD, 204 and 304 drop (PEP 3333; faults.md 74-81).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/clock.h"
#include "python/request_channel.h"
#include "python/response_head.h"

namespace cutwater::python {

class Reply {
 public:
  Reply(RequestChannel& channel, HopByHop hop_by_hop) : channel_(channel), head_(hop_by_hop) {}

  void begin(bool for_head_request);
  void end() { active_ = false; }
  bool active() const { return active_; }

  // start_response(). `exc_info` may be nullptr or None. False with a Python exception.
  bool start(PyObject* status, PyObject* headers, PyObject* exc_info);

  // Content-Length shall cut what follows without a complaint: only a part of a file is meant.
  void allow_excess() { excess_allowed_ = true; }
  // The application's body is `bytes` long in all: becomes Content-Length when it gave none.
  void announce_total(uint64_t bytes);
  // The next block, sent at once; the head goes with the first that is not empty. `may_release`: nothing of
  // the request is needed any more once the response is complete.
  SendOutcome block(std::string_view bytes, bool may_release);
  // write(): a block, and nothing may hold it back.
  SendOutcome write(std::string_view bytes);
  // A part of a regular file, of which `available` bytes exist from `offset` on, as the whole body.
  SendOutcome file(int descriptor, uint64_t offset, uint64_t available);
  // The application has given everything.
  SendOutcome finish(bool may_release);
  // The response cannot be completed: 500 if the client has seen nothing yet, else a visible cut.
  SendOutcome abort();

  bool given() const { return head_.given(); }
  bool head_sent() const { return head_sent_; }
  bool ended() const { return ended_; }
  std::optional<uint64_t> declared() const { return declared_; }
  uint64_t sent() const { return sent_; }
  // What the log should say when all is over.
  bool excess() const { return excess_; }                         // more bytes than Content-Length: cut off
  bool aborted() const { return aborted_; }                       // the connection was cut with it
  bool missing() const { return missing_; }                       // fewer: aborted
  bool dropped() const { return dropped_ > 0; }                   // a body where none is allowed
  std::string_view left_out() const { return head_.left_out(); }  // a hop-by-hop field; "": none
  // Asking on for such a body would only hold the worker.
  bool dropped_enough() const;
  uint16_t status() const { return head_.status(); }

 private:
  bool body_allowed() const { return !for_head_request_ && message::status_allows_content(head_.status()); }
  SendOutcome send(std::string_view bytes, bool complete, bool may_release);

  RequestChannel& channel_;
  ResponseHead head_;
  std::optional<uint64_t> declared_;
  uint64_t sent_ = 0;
  bool active_ = false;
  bool for_head_request_ = false;
  bool head_sent_ = false;
  bool ended_ = false;
  bool excess_ = false;
  bool excess_allowed_ = false;
  bool missing_ = false;
  uint64_t dropped_ = 0;
  base::Instant dropping_since_;
  bool aborted_ = false;
};

}  // namespace cutwater::python
