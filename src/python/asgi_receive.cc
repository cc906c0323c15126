// AsgiExchange: what receive() gives.
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "python/asgi_exchange.h"
#include "python/asgi_worker.h"
#include "python/calls.h"
#include "python/request_channel.h"
#include "python/strings.h"

namespace cutwater::python {
namespace {

constexpr uint64_t kFilePiece = 64 * 1024;
constexpr uint32_t kCreditStep = link::kInitialBodyCredit / 2;  // less is not worth a frame of its own

bool set(PyObject* dict, const PyRef& key, PyObject* value) {
  return value != nullptr && PyDict_SetItem(dict, key.get(), value) == 0;
}

}  // namespace

PyObject* AsgiExchange::try_receive() {
  if (worker_ == nullptr) {
    PyErr_SetString(PyExc_RuntimeError, "the worker has ended: nothing can be received any more");
    return nullptr;
  }
  if (!worker_->on_its_thread()) return nullptr;
  return websocket_ == WebSocketState::kNone ? next_http_message() : next_websocket_message();
}

PyObject* AsgiExchange::next_http_message() {
  if (gone() || finished_) return disconnect_message();
  if (body_given_) return nullptr;
  switch (body_place_) {
    case link::BodyPlace::kNone:
    case link::BodyPlace::kInline:
    case link::BodyPlace::kChunks: {
      PyRef body = take_stored_body();
      return body ? request_message(std::move(body), false) : nullptr;
    }
    case link::BodyPlace::kDescriptor: {
      if (!body_file_.valid()) {
        want_body();
        return nullptr;
      }
      PyRef body = read_file_piece_of_body();
      return body ? request_message(std::move(body), body_position_ < body_length_) : nullptr;
    }
    case link::BodyPlace::kStreamed:
      break;
  }
  if (pieces_.empty()) {
    if (body_ended_) return request_message(PyRef::steal(PyBytes_FromStringAndSize("", 0)), false);
    want_body();
    return nullptr;
  }
  PyRef piece = std::move(pieces_.front());
  pieces_.pop_front();
  give_credit(static_cast<uint32_t>(bytes_view(piece.get()).size()));
  return request_message(std::move(piece), !(body_ended_ && pieces_.empty()));
}

PyObject* AsgiExchange::request_message(PyRef body, bool more) {
  const AsgiNames& names = worker_->names();
  PyRef message = PyRef::steal(PyDict_New());
  const bool made = message && set(message.get(), names.type, names.http_request.get()) &&
                    set(message.get(), names.body, body.get()) &&
                    set(message.get(), names.more_body, more ? Py_True : Py_False);
  if (!made) return nullptr;
  body_given_ = !more;
  return message.release();
}

PyObject* AsgiExchange::disconnect_message() const {
  const AsgiNames& names = worker_->names();
  PyRef message = PyRef::steal(PyDict_New());
  return message && set(message.get(), names.type, names.http_disconnect.get()) ? message.release() : nullptr;
}

PyRef AsgiExchange::take_stored_body() {
  if (body_place_ != link::BodyPlace::kChunks) {
    const std::string_view body = body_place_ == link::BodyPlace::kInline ? claim_.inline_body : std::string_view();
    return PyRef::steal(PyBytes_FromStringAndSize(body.data(), static_cast<Py_ssize_t>(body.size())));
  }
  size_t size = 0;
  for (std::string_view chunk : claim_.body_chunks) size += chunk.size();
  PyRef body = PyRef::steal(PyBytes_FromStringAndSize(nullptr, static_cast<Py_ssize_t>(size)));
  if (!body) return {};
  char* to = PyBytes_AsString(body.get());
  for (std::string_view chunk : claim_.body_chunks) to = std::copy(chunk.begin(), chunk.end(), to);
  return body;
}

PyRef AsgiExchange::read_file_piece_of_body() {
  std::string piece(static_cast<size_t>(std::min(kFilePiece, body_length_ - body_position_)), '\0');
  const ssize_t got = read_file_piece(body_file_.get(), body_position_, piece);
  if (got < 0) return {};
  if (got == 0 && body_position_ < body_length_) {
    PyErr_SetString(PyExc_OSError, "the buffered request body is shorter than announced");
    return {};
  }
  body_position_ += static_cast<uint64_t>(got);
  return PyRef::steal(PyBytes_FromStringAndSize(piece.data(), got));
}

// Once: for a body by descriptor, and so that the client hears 100 Continue.
void AsgiExchange::want_body() {
  if (body_wanted_) return;
  body_wanted_ = worker_->link().send_up(claim_, link::UpKind::kBodyWanted, 0, std::string_view());
  if (body_wanted_) worker_->schedule();
  if (!body_wanted_ || body_place_ == link::BodyPlace::kDescriptor) worker_->add_blocked(*this);
}

// Somebody waits for a body that is not there yet.
bool AsgiExchange::wants_body() const {
  if (gone() || body_given_ || receivers_.empty() || websocket_ != WebSocketState::kNone) return false;
  if (body_place_ == link::BodyPlace::kDescriptor) return !body_file_.valid();
  return body_place_ == link::BodyPlace::kStreamed && !body_wanted_;
}

void AsgiExchange::look_for_body() {
  if (!wants_body()) return;
  if (!body_wanted_) want_body();
  if (body_place_ != link::BodyPlace::kDescriptor) return;
  body_file_ = worker_->link().receive_body_descriptor(claim_);
  if (body_file_.valid()) wake_receivers();
}

void AsgiExchange::give_credit(uint32_t bytes) {
  credit_owed_ += bytes;
  flush_credit();
}

// What the front may send, what is on its way, what waits in `pieces_` and what is owed are kInitialBodyCredit
// together. So nobody can wait for a message while the front has no credit for any of it: with `pieces_` empty and
// nothing on the way all of it is owed, which is more than a step. The front sends as much of a message as it has
// credit for.
bool AsgiExchange::owes_credit() const {
  const bool more_comes = websocket_ != WebSocketState::kNone || !body_ended_;
  return credit_owed_ >= kCreditStep && more_comes && !gone();
}

void AsgiExchange::flush_credit() {
  if (!owes_credit()) return;
  if (!worker_->link().send_up(claim_, link::UpKind::kCredit, credit_owed_, std::string_view())) {
    return worker_->add_blocked(*this);
  }
  credit_owed_ = 0;
  worker_->schedule();
}

// ---- WebSocket

// How long a message may be is the front's to say. Its pieces have their credit back at once if the application has
// nothing else to receive, for the rest comes only then; else when it has, so that no second long message gathers here.
void AsgiExchange::take_in_message(const link::DownFrame& frame) {
  const auto size = static_cast<uint32_t>(frame.payload.size());
  if ((frame.header.value & link::kMoreFollows) != 0) {
    partial_.append(frame.payload);
    partial_credit_ += size;
    return settle_partial();
  }
  std::string_view whole = frame.payload;
  if (!partial_.empty()) whole = partial_.append(frame.payload);
  const auto length = static_cast<Py_ssize_t>(whole.size());
  const bool text = (frame.header.value & 0xff) == 1;
  PyRef message = PyRef::steal(text ? PyUnicode_DecodeUTF8(whole.data(), length, "replace")
                                    : PyBytes_FromStringAndSize(whole.data(), length));
  base::release(partial_);  // as long as the longest message else, for good
  const uint32_t cost = std::exchange(partial_credit_, 0) + std::max(size, 1u);
  if (!message) {
    PyErr_Clear();  // short of memory
    return give_credit(cost);
  }
  pieces_.push_back(std::move(message));
  piece_credit_.push_back(cost);
  wake_receivers();
}

void AsgiExchange::settle_partial() {
  if (pieces_.empty()) give_credit(std::exchange(partial_credit_, 0));
}

PyObject* AsgiExchange::next_websocket_message() {
  const AsgiNames& names = worker_->names();
  PyRef message = PyRef::steal(PyDict_New());
  if (!message) return nullptr;
  if (!connect_given_) {
    connect_given_ = true;
    return set(message.get(), names.type, names.websocket_connect.get()) ? message.release() : nullptr;
  }
  if (!pieces_.empty()) {
    PyRef piece = std::move(pieces_.front());
    pieces_.pop_front();
    give_credit(piece_credit_.front());
    piece_credit_.pop_front();
    settle_partial();
    const bool made = set(message.get(), names.type, names.websocket_receive.get()) &&
                      set(message.get(), PyUnicode_Check(piece.get()) ? names.text : names.bytes, piece.get());
    return made ? message.release() : nullptr;
  }
  if (!gone() && !finished_ && websocket_ != WebSocketState::kClosed) return nullptr;
  PyRef code = PyRef::steal(PyLong_FromUnsignedLong(close_code_));
  PyRef reason = PyRef::steal(
      PyUnicode_DecodeUTF8(close_reason_.data(), static_cast<Py_ssize_t>(close_reason_.size()), "replace"));
  const bool made = set(message.get(), names.type, names.websocket_disconnect.get()) &&
                    set(message.get(), names.code, code.get()) && set(message.get(), names.reason, reason.get());
  return made ? message.release() : nullptr;
}

}  // namespace cutwater::python
