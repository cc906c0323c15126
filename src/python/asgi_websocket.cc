// AsgiExchange: what send() takes for a WebSocket. The front does framing, ping and the closing handshake.
#include "python/asgi_exchange.h"
#include "python/asgi_worker.h"
#include "python/calls.h"
#include "python/strings.h"

namespace cutwater::python {
namespace {

constexpr uint32_t kText = 1;
constexpr uint32_t kBinary = 2;
constexpr long kSwitchingProtocols = 101;
constexpr size_t kLongestReason = 123;  // a control frame holds 125 bytes, two of them the code

}  // namespace

bool AsgiExchange::send_websocket(PyObject* type, PyObject* message) {
  const AsgiNames& names = worker_->names();
  switch (websocket_) {
    case WebSocketState::kConnecting:
      if (has_type(type, names.websocket_accept)) return accept(message);
      if (has_type(type, names.websocket_close)) return refuse();
      if (has_type(type, names.denial_start)) {
        websocket_ = WebSocketState::kDenying;
        return start(message, 200);
      }
      break;
    case WebSocketState::kDenying:
      if (has_type(type, names.denial_body)) return !body_complete_ ? body(message) : unexpected(type);
      break;
    case WebSocketState::kOpen:
      if (has_type(type, names.websocket_send)) return websocket_message(message);
      if (has_type(type, names.websocket_close)) return websocket_close(message);
      break;
    default:
      break;
  }
  PyErr_Format(PyExc_RuntimeError, "unexpected ASGI message %R: %s", type,
               websocket_ == WebSocketState::kConnecting ? "the WebSocket has not been accepted"
               : websocket_ == WebSocketState::kOpen     ? "the WebSocket has been accepted already"
                                                         : "the WebSocket is closed");
  return false;
}

bool AsgiExchange::accept(PyObject* message) {
  const AsgiNames& names = worker_->names();
  PyObject* given = get(message, names.headers);
  PyObject* subprotocol = get(message, names.subprotocol);
  if (PyErr_Occurred() != nullptr) return false;
  PyRef headers = PyRef::steal(given == nullptr || given == Py_None ? PyList_New(0) : PySequence_List(given));
  if (!headers) return false;
  if (subprotocol != nullptr && subprotocol != Py_None) {
    PyRef pair = PyRef::steal(Py_BuildValue("(sO)", "Sec-WebSocket-Protocol", subprotocol));
    if (!pair || PyList_Append(headers.get(), pair.get()) < 0) return false;
  }
  if (!head_.set_asgi(kSwitchingProtocols, kSwitchingProtocols, headers.get())) return false;
  websocket_ = WebSocketState::kOpen;
  started_ = head_given_ = true;
  put({.kind = link::UpKind::kHead});
  return true;
}

// Closed before it was accepted: the specification's 403.
bool AsgiExchange::refuse() {
  websocket_ = WebSocketState::kClosed;
  if (!head_.set_asgi(403, 403, nullptr)) return false;
  started_ = head_given_ = body_complete_ = true;
  declared_ = 0;
  put({.kind = link::UpKind::kHead, .last = true});
  return true;
}

bool AsgiExchange::websocket_message(PyObject* message) {
  const AsgiNames& names = worker_->names();
  PyRef bytes = PyRef::share(get(message, names.bytes));
  PyObject* text = get(message, names.text);
  if (PyErr_Occurred() != nullptr) return false;
  uint32_t kind = kBinary;
  if (!bytes || bytes.get() == Py_None) {
    if (text == nullptr || !PyUnicode_Check(text)) {
      PyErr_SetString(PyExc_ValueError, "websocket.send needs \"bytes\" or a \"text\" that is a str");
      return false;
    }
    kind = kText;
    bytes = PyRef::steal(PyUnicode_AsUTF8String(text));
  } else if (!as_bytes(bytes, "bytes")) {
    return false;
  }
  if (!bytes) return false;
  const std::string_view view = bytes_view(bytes.get());
  put({.kind = link::UpKind::kWebSocketMessage, .value = kind, .owner = std::move(bytes), .bytes = view});
  return true;
}

bool AsgiExchange::websocket_close(PyObject* message) {
  const AsgiNames& names = worker_->names();
  PyObject* code = get(message, names.code);
  PyObject* reason = get(message, names.reason);
  if (PyErr_Occurred() != nullptr) return false;
  constexpr long kNormalClosure = 1000;
  if (code != nullptr && code != Py_None && !PyLong_Check(code)) {
    PyErr_Format(PyExc_TypeError, "the \"code\" of websocket.close must be an int, not %s", type_name(code).c_str());
    return false;
  }
  int too_large = 0;
  const long number = code == nullptr || code == Py_None ? kNormalClosure : PyLong_AsLongAndOverflow(code, &too_large);
  PyRef text;
  if (reason != nullptr && reason != Py_None) {
    if (!PyUnicode_Check(reason)) {
      PyErr_SetString(PyExc_TypeError, "the \"reason\" of websocket.close must be a str");
      return false;
    }
    text = PyRef::steal(PyUnicode_AsUTF8String(reason));
    if (!text) return false;
  }
  if (number < 1000 || number > 4999 || (text && bytes_view(text.get()).size() > kLongestReason)) {
    PyErr_SetString(PyExc_ValueError,
                    "websocket.close needs a code from 1000 to 4999, and a reason of at most 123 bytes");
    return false;
  }
  websocket_ = WebSocketState::kClosed;
  close_code_ = static_cast<uint32_t>(number);
  const std::string_view view = text ? bytes_view(text.get()) : std::string_view();
  put({.kind = link::UpKind::kWebSocketClose,
       .value = static_cast<uint32_t>(number),
       .owner = std::move(text),
       .bytes = view});
  put({.kind = link::UpKind::kEnd, .value = link::kReleases, .last = true});
  return true;
}

}  // namespace cutwater::python
