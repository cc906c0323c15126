// AsgiExchange: one claimed request of an asynchronous worker: what receive() gives and what send() takes (ASGI 3), and
// the frames they become. Nothing here waits: what cannot be had or sent yet leaves a future behind, which the worker's
// next turn resolves. It lives in a Python object (asgi_exchange_type.h), for an application may keep receive and send
// for as long as it likes; the slot is let go as soon as the answer is complete.
#pragma once

#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_descriptor.h"
#include "link/request_record.h"
#include "link/worker_link.h"
#include "message/request.h"
#include "python/asgi_names.h"
#include "python/py_api.h"
#include "python/response_head.h"

namespace cutwater::python {

class AsgiWorker;

class AsgiExchange {
 public:
  // `worker` outlives the exchange, or calls detach(). The claim becomes the exchange's.
  AsgiExchange(AsgiWorker& worker, link::Claim claim, const message::Request& request,
               const link::RequestExtras& extras);
  AsgiExchange(const AsgiExchange&) = delete;
  AsgiExchange& operator=(const AsgiExchange&) = delete;

  // The next message: a new reference; nullptr without an exception: nothing came yet.
  PyObject* try_receive();
  // False with a Python exception. What could not go at once is in the line: see blocked().
  bool send(PyObject* message);
  // As http.response.start and a first http.response.body, of an HTTP request: `body` is bytes.
  bool respond(long status, PyObject* reason, PyObject* headers, PyObject* body, bool more);
  bool blocked() const { return !line_.empty() && !gone(); }
  // `future` is resolved when there may be something to receive, when the line is empty, or when it is over().
  void await_message(PyObject* future);
  void await_end(PyObject* future) { await(enders_, future); }
  // The answer is complete, or nobody waits for it any more.
  bool over() const { return gone(); }
  void await_room(PyObject* future) { await(senders_, future); }

  // The application's coroutine has ended. `raised`: with an exception that was logged; `kept` says what was wrong
  // otherwise, nullptr if nothing was.
  const char* finish(bool raised);
  bool finished() const { return finished_; }
  bool done() const { return finished_ && released_; }  // the worker may forget it

  // From the worker's turn.
  void take_in(const link::DownFrame& frame);
  void lose_client();
  void pump();  // room or credit may have come
  void look_for_body();
  bool needs_pump() const { return blocked() || owes_credit() || wants_body(); }
  // The worker ends: nothing is read or sent any more.
  void detach();

  const link::Claim& claim() const { return claim_; }
  bool released() const { return released_; }
  bool cancelled() const { return cancelled_; }  // by the front: its time was over
  bool client_left() const { return client_left_; }
  const std::string& method() const { return method_; }
  const std::string& path() const { return path_; }
  PyRef& task() { return task_; }

  // Where the worker keeps it.
  bool in_blocked = false;
  AsgiExchange* previous = nullptr;
  AsgiExchange* next = nullptr;
  PyObject* object = nullptr;  // the Python object that holds this; owned by the worker's list

 private:
  enum class WebSocketState { kNone, kConnecting, kOpen, kDenying, kClosed };
  struct Outgoing {
    link::UpKind kind;
    uint32_t value = 0;
    PyRef owner{};             // keeps `bytes` alive
    std::string_view bytes{};  // what is still to be sent
    base::FileDescriptor file{};
    uint64_t offset = 0, length = 0;
    bool last = false;  // completes the answer
  };

  bool gone() const { return worker_ == nullptr || client_left_ || cancelled_ || released_; }
  bool has_type(PyObject* type, const PyRef& name) const;
  PyObject* get(PyObject* message, const PyRef& key) const;  // borrowed, or nullptr
  bool is_set(PyObject* message, const PyRef& key, bool& value) const;
  static bool as_bytes(PyRef& value, const char* key);

  // send(), by type of message. False with a Python exception.
  bool may_send() const;
  bool start_response(long status, long least, PyObject* headers, PyObject* reason);
  bool send_http(PyObject* type, PyObject* message);
  bool send_websocket(PyObject* type, PyObject* message);
  bool start(PyObject* message, long least);
  bool body(PyObject* message);
  bool trailers(PyObject* message);
  bool early_hint(PyObject* message);
  bool path_body(PyObject* message);
  bool accept(PyObject* message);
  bool websocket_message(PyObject* message);
  bool websocket_close(PyObject* message);
  bool refuse();
  bool unexpected(PyObject* type) const;
  bool encode_pairs(PyObject* pairs, std::string& to);
  bool put_fields(link::UpKind kind, PyObject* pairs);

  // Parts of the answer, in order; what does not fit goes to the line.
  bool add_body(PyObject* owner, std::string_view bytes, bool last);
  void put(Outgoing item);
  bool send_now(Outgoing& item);
  bool send_head(Outgoing& item);
  bool send_file_now(Outgoing& item);
  void answer_sent();
  void abort();
  void release();
  bool body_allowed() const;

  PyObject* next_http_message();
  PyObject* next_websocket_message();
  PyObject* request_message(PyRef body, bool more);
  PyObject* disconnect_message() const;
  PyRef take_stored_body();
  PyRef read_file_piece_of_body();
  void take_in_message(const link::DownFrame& frame);
  void settle_partial();
  void give_credit(uint32_t bytes);
  void flush_credit();
  bool owes_credit() const;
  void want_body();
  bool wants_body() const;
  void resolve(std::vector<PyRef>& futures);
  void tell_all();
  void await(std::vector<PyRef>& futures, PyObject* future);
  void wake_receivers() { resolve(receivers_); }

  AsgiWorker* worker_;
  link::Claim claim_;
  std::string method_, path_;
  std::vector<PyRef> receivers_, senders_, enders_;
  PyRef task_;

  // The request's body.
  link::BodyPlace body_place_;
  base::FileDescriptor body_file_;
  uint64_t body_length_ = 0, body_position_ = 0;
  std::list<PyRef> pieces_;           // of a streamed body, or the messages of a WebSocket
  std::list<uint32_t> piece_credit_;  // of a message: what it costs the front still
  bool body_ended_ = false;           // no piece comes any more
  bool body_given_ = false;           // the application has had all
  bool body_wanted_ = false;
  uint32_t credit_owed_ = 0;  // for what was taken in, or given to the application

  // The answer.
  ResponseHead head_{HopByHop::kDrop};
  std::list<Outgoing> line_;
  int64_t credit_ = link::kInitialCredit;
  std::optional<uint64_t> declared_;
  uint64_t sent_ = 0;  // body bytes put into frames or the line
  bool head_request_ = false;
  bool started_ = false;     // http.response.start came
  bool head_given_ = false;  // in a frame or in the line
  bool head_sent_ = false;
  bool head_too_long_ = false;
  bool broken_ = false;  // what was to be sent cannot be: the answer must be aborted
  bool body_complete_ = false;
  bool trailers_follow_ = false;
  PyRef trailer_fields_;   // of the trailers that came so far
  bool answered_ = false;  // the last frame of the answer is in the ring or the line
  bool released_ = false;
  bool finished_ = false;
  bool cancelled_ = false;
  bool client_left_ = false;

  // The WebSocket.
  WebSocketState websocket_ = WebSocketState::kNone;
  std::string partial_;          // message that is still coming
  uint32_t partial_credit_ = 0;  // what it has cost the front, and is not owed yet
  uint32_t close_code_ = 1006;
  std::string close_reason_;
  bool connect_given_ = false;
};

}  // namespace cutwater::python
