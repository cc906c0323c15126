// AsgiExchange: the line of frames that make the answer, and the end of the exchange.
#include "python/asgi_exchange.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "base/text.h"
#include "python/asgi_worker.h"
#include "python/calls.h"
#include "python/request_channel.h"
#include "python/strings.h"

namespace cutwater::python {
namespace {

constexpr uint64_t kFilePiece = 64 * 1024;

}  // namespace

AsgiExchange::AsgiExchange(AsgiWorker& worker, link::Claim claim, const message::Request& request,
                           const link::RequestExtras& extras)
    : worker_(&worker),
      claim_(std::move(claim)),
      method_(request.method),
      path_(request.path),
      body_place_(extras.body_place),
      body_length_(extras.body_length),
      head_request_(request.method == "HEAD") {
  body_ended_ = body_place_ != link::BodyPlace::kStreamed;
  if (extras.websocket) websocket_ = WebSocketState::kConnecting;
}

bool AsgiExchange::body_allowed() const {
  return !head_request_ && message::status_allows_content(head_.status());
}

// ---- the line

void AsgiExchange::put(Outgoing item) {
  if (gone()) return;  // nobody would ever take it
  if (item.last) answered_ = true;
  if (line_.empty() && send_now(item)) {
    if (std::exchange(broken_, false)) return abort();
    return answer_sent();
  }
  line_.push_back(std::move(item));
  worker_->add_blocked(*this);
}

void AsgiExchange::pump() {
  flush_credit();
  while (!line_.empty() && !gone() && send_now(line_.front())) {
    line_.pop_front();
    if (std::exchange(broken_, false)) abort();
  }
  if (gone()) line_.clear();
  if (!line_.empty()) return;
  answer_sent();
  resolve(senders_);
}

void AsgiExchange::answer_sent() {
  if (finished_ && line_.empty()) release();
  if (released_) tell_all();
}

bool AsgiExchange::send_now(Outgoing& item) {
  switch (item.kind) {
    case link::UpKind::kHead:
      return send_head(item);
    case link::UpKind::kBody:
    case link::UpKind::kWebSocketMessage:
      break;
    case link::UpKind::kFile:
      return send_file_now(item);
    default: {
      if (!worker_->link().send_up(claim_, item.kind, item.value, item.bytes)) return false;
      worker_->schedule();
      const bool ends = item.kind == link::UpKind::kEnd || item.kind == link::UpKind::kAbort;
      released_ = ends && (item.value & link::kReleases) != 0;
      if (released_) worker_->forget_slot(*this);
      return true;
    }
  }
  const bool message = item.kind == link::UpKind::kWebSocketMessage;
  do {
    const size_t most =
        std::min<size_t>(worker_->link().maximum_up_payload(), static_cast<size_t>(std::max<int64_t>(credit_, 0)));
    const std::string_view piece = item.bytes.substr(0, most);
    const bool whole = piece.size() == item.bytes.size();
    // An empty message costs a byte of credit, too.
    const bool no_credit = message ? credit_ <= 0 : piece.empty() && !item.bytes.empty();
    if (no_credit) return false;
    uint32_t value = item.value;
    if (message && !whole) value |= link::kMoreFollows;
    if (!message && whole && item.last) value |= uint32_t{link::kComplete} | uint32_t{link::kReleases};
    if (!worker_->link().send_up(claim_, item.kind, value, piece)) return false;
    worker_->schedule();
    credit_ -= static_cast<int64_t>(std::max<size_t>(piece.size(), message ? 1 : 0));
    item.bytes.remove_prefix(piece.size());
    if ((value & link::kReleases) != 0 && !message) released_ = true;
  } while (!item.bytes.empty());
  if (released_) worker_->forget_slot(*this);
  return true;
}

bool AsgiExchange::send_head(Outgoing& item) {
  const std::string_view first = item.bytes.substr(0, static_cast<size_t>(std::max<int64_t>(credit_, 0)));
  const bool whole = first.size() == item.bytes.size();
  const uint32_t flags = whole && item.last ? uint32_t{link::kComplete} | uint32_t{link::kReleases} : 0u;
  const link::SendResult sent = worker_->link().send_response(claim_, head_.response(declared_), first, flags);
  if (sent.status == link::SendResult::kTooLarge) {
    head_too_long_ = broken_ = true;
    return true;
  }
  if (sent.status != link::SendResult::kSent) return false;
  worker_->schedule();
  head_sent_ = true;
  credit_ -= static_cast<int64_t>(sent.body_bytes);
  item.bytes.remove_prefix(sent.body_bytes);
  if (item.bytes.empty()) {
    if (item.last && flags != 0 && sent.body_bytes == first.size()) released_ = true;
    if (released_) worker_->forget_slot(*this);
    return true;
  }
  item.kind = link::UpKind::kBody;
  return send_now(item);
}

bool AsgiExchange::send_file_now(Outgoing& item) {
  if (item.bytes.empty() && item.owner.get() == nullptr) {
    switch (worker_->link().send_file(claim_, item.file.get(), item.offset, item.length)) {
      case link::SendResult::kSent:
        worker_->schedule();
        return true;
      case link::SendResult::kFull:
        return false;
      default:
        break;  // it cannot be passed: its bytes go
    }
  }
  while (item.length > 0 || !item.bytes.empty()) {
    if (item.bytes.empty()) {
      std::string piece(static_cast<size_t>(std::min(item.length, kFilePiece)), '\0');
      const ssize_t got = read_file_piece(item.file.get(), item.offset, piece);
      if (got <= 0) {
        PyErr_Clear();
        broken_ = true;  // it became shorter while it was sent
        return true;
      }
      item.offset += static_cast<uint64_t>(got);
      item.length -= static_cast<uint64_t>(got);
      item.owner = PyRef::steal(PyBytes_FromStringAndSize(piece.data(), got));
      if (!item.owner) {
        PyErr_Clear();
        broken_ = true;
        return true;
      }
      item.bytes = bytes_view(item.owner.get());
    }
    Outgoing part{.kind = link::UpKind::kBody, .bytes = item.bytes};
    const bool sent = send_now(part);
    item.bytes = part.bytes;
    if (!sent) return false;
  }
  return true;
}

// ---- the end

// The answer cannot be completed: 500 if the client has seen nothing of it, else a visible cut.
void AsgiExchange::abort() {
  line_.clear();
  answered_ = true;
  if (gone()) return;
  if (websocket_ == WebSocketState::kOpen && head_sent_) {
    websocket_ = WebSocketState::kClosed;
    // One that is open when its worker must end was not failed by the app.
    constexpr uint32_t kInternalError = 1011, kServiceRestart = 1012;
    put({.kind = link::UpKind::kWebSocketClose, .value = worker_->cancels_all() ? kServiceRestart : kInternalError});
    put({.kind = link::UpKind::kEnd, .value = link::kReleases, .last = true});
    return;
  }
  const uint32_t value = link::kReleases | (head_sent_ ? 0u : uint32_t{link::kBeforeHead});
  put({.kind = link::UpKind::kAbort, .value = value, .last = true});
}

void AsgiExchange::release() {
  if (released_ || worker_ == nullptr) return;
  released_ = true;
  worker_->link().release(claim_);
  worker_->forget_slot(*this);
  worker_->schedule();
}

const char* AsgiExchange::finish(bool raised) {
  const char* problem = nullptr;
  finished_ = true;
  task_.reset();
  if (!gone() && !answered_) {
    if (websocket_ == WebSocketState::kOpen && !raised) {
      constexpr uint32_t kNormalClosure = 1000;
      websocket_ = WebSocketState::kClosed;
      put({.kind = link::UpKind::kWebSocketClose, .value = kNormalClosure});
      put({.kind = link::UpKind::kEnd, .value = link::kReleases, .last = true});
    } else {
      if (!raised) problem = started_ ? "returned without completing its response" : "returned without a response";
      abort();
    }
  }
  if (head_too_long_) problem = "gave response headers that are too long";
  if (line_.empty() || gone()) release();
  tell_all();
  return problem;
}

// Whoever waits for anything looks again.
void AsgiExchange::tell_all() {
  resolve(senders_);
  resolve(enders_);
  wake_receivers();
}

void AsgiExchange::detach() {
  worker_ = nullptr;
  line_.clear();
  task_.reset();
  pieces_.clear();
  receivers_.clear();
  senders_.clear();
  enders_.clear();
}

void AsgiExchange::resolve(std::vector<PyRef>& futures) {
  if (worker_ == nullptr) return;
  const AsgiNames& names = worker_->names();
  std::vector<PyRef> waiting = std::move(futures);
  futures.clear();
  for (PyRef& future : waiting) {
    PyRef done = PyRef::steal(call_method(future.get(), names.done.get()));
    if (!done || done.get() == Py_True) continue;
    PyRef set = PyRef::steal(PyObject_CallMethodObjArgs(future.get(), names.set_result.get(), Py_None, nullptr));
  }
  if (PyErr_Occurred() != nullptr) PyErr_Clear();  // of a loop that is closed already
}

// The slot is kept until the application returns, so that its time limit goes on.
void AsgiExchange::lose_client() {
  client_left_ = true;
  worker_->client_left(*this);
  tell_all();
}

// Those that were given up, by a timeout for one, would gather.
void AsgiExchange::await(std::vector<PyRef>& futures, PyObject* future) {
  constexpr size_t kFew = 16;
  if (futures.size() >= kFew && std::has_single_bit(futures.size())) {
    std::erase_if(futures, [this](const PyRef& old) {
      PyRef done = PyRef::steal(call_method(old.get(), worker_->names().done.get()));
      if (!done) PyErr_Clear();
      return done.get() == Py_True;
    });
  }
  futures.push_back(PyRef::share(future));
}

void AsgiExchange::await_message(PyObject* future) {
  if (worker_ == nullptr) return;
  await(receivers_, future);
  if (wants_body()) worker_->add_blocked(*this);
}

// ---- what the front says

void AsgiExchange::take_in(const link::DownFrame& frame) {
  switch (static_cast<link::DownKind>(frame.header.kind)) {
    case link::DownKind::kCredit:
      credit_ += frame.header.value;
      if (!line_.empty()) pump();
      return;
    case link::DownKind::kBodyPiece: {
      PyRef piece =
          PyRef::steal(PyBytes_FromStringAndSize(frame.payload.data(), static_cast<Py_ssize_t>(frame.payload.size())));
      if (!piece) return PyErr_Clear();
      pieces_.push_back(std::move(piece));
      return wake_receivers();
    }
    case link::DownKind::kBodyEnd:
      body_ended_ = true;
      return wake_receivers();
    case link::DownKind::kWebSocketMessage:
      return take_in_message(frame);
    case link::DownKind::kWebSocketClose:
      close_code_ = frame.header.value;
      close_reason_ = frame.payload;
      base::release(partial_);
      client_left_ = true;
      return tell_all();
    case link::DownKind::kCancel:
      cancelled_ = true;
      worker_->cancel(*this);
      return tell_all();
    case link::DownKind::kDisconnect:
      return lose_client();
    default:
      return;
  }
}

}  // namespace cutwater::python
