#include "python/reply.h"

#include <algorithm>
#include <string>

#include "python/calls.h"

namespace cutwater::python {
namespace {

// Up to here passing the descriptor on costs more than the bytes.
constexpr uint64_t kSmallFile = 64 * 1024;
// How much of a body that nobody gets (HEAD, 204, 304) is asked for: it may be endless.
constexpr uint64_t kMostDropped = 1024 * 1024;
constexpr base::Duration kLongestDropping = std::chrono::seconds(1);

// Raises what exc_info holds, as "raise exc_info[1].with_traceback(exc_info[2])" does.
void raise_again(PyObject* exc_info) {
  if (!PyTuple_Check(exc_info) || tuple_size(exc_info) != 3) {
    PyErr_SetString(PyExc_TypeError, "exc_info must be the tuple of sys.exc_info()");
    return;
  }
  PyObject* type = tuple_item(exc_info, 0);
  PyObject* value = tuple_item(exc_info, 1);
  PyObject* traceback = tuple_item(exc_info, 2);
  if (PyExceptionInstance_Check(value)) {
    if (traceback != Py_None) PyException_SetTraceback(value, traceback);
    PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(value)), value);
  } else {
    PyErr_SetObject(PyExceptionClass_Check(type) ? type : PyExc_RuntimeError, value);
  }
}

}  // namespace

void Reply::begin(bool for_head_request) {
  head_.clear();
  declared_.reset();
  sent_ = 0;
  active_ = true;
  for_head_request_ = for_head_request;
  head_sent_ = ended_ = excess_ = excess_allowed_ = missing_ = aborted_ = false;
  dropped_ = 0;
}

bool Reply::start(PyObject* status, PyObject* headers, PyObject* exc_info) {
  bool replaces = exc_info != nullptr && exc_info != Py_None;
  if (replaces && head_sent_) {
    raise_again(exc_info);
    return false;
  }
  if (!replaces && head_.given()) {
    PyErr_SetString(PyExc_AssertionError, "start_response() was called a second time without exc_info (PEP 3333)");
    return false;
  }
  if (!head_.set(status, headers)) return false;
  declared_ = head_.content_length();
  return true;
}

void Reply::announce_total(uint64_t bytes) {
  // Who leaves the body of a HEAD away has not said how long that of a GET is.
  if (for_head_request_ && bytes == 0) return;
  bool has_length = head_.given() && (message::status_allows_body(head_.status()));
  if (has_length && !declared_ && !head_sent_) declared_ = bytes;
}

SendOutcome Reply::send(std::string_view bytes, bool complete, bool may_release) {
  SendOutcome outcome;
  if (head_sent_) {
    outcome = channel_.send_body(bytes, complete);
  } else {
    outcome = channel_.send_head(head_.response(declared_), bytes, complete, may_release);
    head_sent_ = outcome != SendOutcome::kError;
  }
  if (outcome == SendOutcome::kSent) {
    sent_ += bytes.size();
    ended_ = complete;
  }
  return outcome;
}

SendOutcome Reply::block(std::string_view bytes, bool may_release) {
  if (!head_.given()) {
    PyErr_SetString(PyExc_AssertionError, "the application gave a body before it called start_response()");
    return SendOutcome::kError;
  }
  if (bytes.empty()) return channel_.still_wanted() ? SendOutcome::kSent : SendOutcome::kGone;
  if (!body_allowed()) {
    if (dropped_ == 0) dropping_since_ = base::monotonic_now();
    dropped_ += bytes.size();
    return head_sent_ ? SendOutcome::kSent : send({}, true, may_release);
  }
  if (!declared_) return send(bytes, false, may_release);
  uint64_t left = *declared_ - std::min(sent_, *declared_);
  bool too_much = bytes.size() > left;
  if (too_much) bytes = bytes.substr(0, static_cast<size_t>(left));
  excess_ = excess_ || (too_much && !excess_allowed_);
  if (ended_) return SendOutcome::kSent;
  if (!excess_) return send(bytes, bytes.size() == left, may_release);
  // The length on the wire was wrong once: nothing that follows on this connection could be trusted.
  SendOutcome outcome = bytes.empty() && head_sent_ ? SendOutcome::kSent : send(bytes, false, false);
  return outcome == SendOutcome::kSent ? abort() : outcome;
}

SendOutcome Reply::write(std::string_view bytes) {
  SendOutcome outcome = block(bytes, false);
  if (outcome == SendOutcome::kSent) channel_.flush();
  return outcome;
}

SendOutcome Reply::file(int descriptor, uint64_t offset, uint64_t available) {
  announce_total(available);
  uint64_t length = std::min(available, declared_.value_or(available));
  if (!body_allowed() || length == 0) return finish(false);
  if (length <= kSmallFile) {
    std::string bytes(static_cast<size_t>(length), '\0');
    ssize_t got = read_file_piece(descriptor, offset, bytes);
    if (got < 0) return SendOutcome::kError;
    SendOutcome outcome = block(std::string_view(bytes).substr(0, static_cast<size_t>(got)), false);
    return outcome == SendOutcome::kSent ? finish(false) : outcome;
  }
  SendOutcome outcome = send({}, false, false);
  if (outcome == SendOutcome::kSent) outcome = channel_.send_file(descriptor, offset, length);
  if (outcome != SendOutcome::kSent) return outcome;
  sent_ += length;
  return finish(false);
}

SendOutcome Reply::finish(bool may_release) {
  if (!head_.given()) {
    PyErr_SetString(PyExc_AssertionError, "the application returned without calling start_response()");
    return SendOutcome::kError;
  }
  if (ended_) return SendOutcome::kSent;
  if (body_allowed() && declared_ && sent_ < *declared_) {
    missing_ = true;
    SendOutcome outcome = head_sent_ ? SendOutcome::kSent : send({}, false, false);
    return outcome == SendOutcome::kSent ? abort() : outcome;
  }
  if (!head_sent_) {
    if (body_allowed() && !declared_) declared_ = 0;
    return send({}, true, may_release);
  }
  SendOutcome outcome = channel_.send_end();
  ended_ = outcome == SendOutcome::kSent;
  return outcome;
}

bool Reply::dropped_enough() const {
  if (dropped_ == 0) return false;
  return dropped_ > kMostDropped || base::monotonic_now() - dropping_since_ > kLongestDropping;
}

SendOutcome Reply::abort() {
  if (ended_) return SendOutcome::kSent;
  ended_ = aborted_ = true;
  return channel_.send_abort(!head_sent_);
}

}  // namespace cutwater::python
