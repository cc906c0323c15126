#include "python/wsgi_runner.h"

#include <utility>

#include "python/calls.h"
#include "python/file_wrapper.h"
#include "python/input.h"
#include "python/strings.h"

namespace cutwater::python {
namespace {

// Blocks of a list that are small together travel as one.
constexpr size_t kJoinedBytes = 32 * 1024;

// Why an object that is no iterable of bytes cannot be a response body; nullptr when it may be one.
const char* misuse_of_body(PyObject* result) {
  if (result == Py_None) return "the application returned None instead of an iterable of bytes";
  if (PyUnicode_Check(result)) return "the application returned str instead of an iterable of bytes";
  if (PyBytes_Check(result)) return "the application returned bytes, not an iterable of bytes: return [body]";
  return nullptr;
}

}  // namespace

WsgiRunner::WsgiRunner(WsgiService& service, FrameWait& waiter)
    : service_(service),
      channel_(service.link, waiter),
      body_(channel_),
      data_(channel_),
      reply_(channel_, service.hop_by_hop),
      responder_(service.types.responder) {}

bool WsgiRunner::prepare() {
  return environ_.prepare(service_.errors.get(), service_.types.file_wrapper, service_.multithread);
}

bool WsgiRunner::claim(base::Instant now) {
  if (!service_.link.claim(claim_, now)) return false;
  channel_.begin(claim_);
  return true;
}

void WsgiRunner::run() {
  request_.clear();
  if (!link::decode_request(claim_.record, request_, extras_)) {
    service_.host.problem("CW0506", "", "", "a request in the queue was damaged");
    channel_.send_abort(true);
    channel_.end();
    return;
  }
  method_ = request_.method;
  path_ = request_.path;
  begin_body();
  reply_.begin(request_.method == "HEAD");
  sends_file_ = false;

  PyRef result = call_application();
  leave_if_child();
  SendOutcome outcome = result ? respond(result.get()) : SendOutcome::kError;
  leave_if_child();
  if (outcome == SendOutcome::kError) failed("raised", true);
  if (result) close(result.get());
  detach_request();
  channel_.settle();
  body_.end();
  data_.end();
  channel_.end();
  log_reply();
}

void WsgiRunner::begin_body() {
  if (!extras_.has_data) return body_.begin(claim_, extras_);
  const bool has_body = request_.framing == message::BodyFraming::kLength;
  const uint64_t data_begin = has_body ? request_.content_length : 0;
  body_.begin(claim_, extras_, 0, data_begin);
  data_.begin(claim_, extras_, data_begin);
}

bool WsgiRunner::prepare_input() {
  bool reusable = input_ && Py_REFCNT(input_.get()) == 1;
  if (!reusable) input_ = PyRef::steal(new_input(service_.types.input));
  if (!input_) return false;
  attach_input(input_.get(), &body_, &channel_);
  return true;
}

// What a FastCGI filter is to work on, beside FCGI_DATA_LENGTH and FCGI_DATA_LAST_MOD: read as wsgi.input is.
bool WsgiRunner::add_data(PyObject* environ) {
  data_input_ = PyRef::steal(new_input(service_.types.input));
  if (!data_input_) return false;
  attach_input(data_input_.get(), &data_, &channel_);
  return PyDict_SetItemString(environ, "cutwater.fcgi_data", data_input_.get()) == 0;
}

PyRef WsgiRunner::call_application() {
  if (!prepare_input()) return {};
  PyObject* start_response = responder_.attach(reply_);
  if (start_response == nullptr) return {};
  PyRef environ = PyRef::steal(environ_.build(request_, extras_, body_.remaining(), input_.get()));
  if (!environ || (extras_.has_data && !add_data(environ.get()))) return {};
  return PyRef::steal(call_with_two(service_.application.get(), environ.get(), start_response));
}

SendOutcome WsgiRunner::respond(PyObject* result) {
  if (is_exact_list(result) || is_exact_tuple(result)) return respond_with_sequence(result);
  if (const char* misuse = misuse_of_body(result)) {
    PyErr_SetString(PyExc_TypeError, misuse);
    return SendOutcome::kError;
  }
  sends_file_ = reinterpret_cast<PyObject*>(Py_TYPE(result)) == service_.types.file_wrapper;
  if (sends_file_) {
    reply_.allow_excess();  // PEP 3333: of a wrapped file no more than Content-Length is meant
    bool sent = false;
    SendOutcome outcome = respond_with_file(result, sent);
    if (sent || outcome != SendOutcome::kSent) return outcome;
  }
  return respond_with_blocks(result);
}

bool WsgiRunner::check_block(PyObject* block) {
  if (PyBytes_Check(block)) return true;
  PyErr_Format(PyExc_TypeError, "the application's response body must consist of bytes, not %s",
               type_name(block).c_str());
  return false;
}

SendOutcome WsgiRunner::respond_with_sequence(PyObject* sequence) {
  bool is_list = is_exact_list(sequence);
  Py_ssize_t count = is_list ? list_size(sequence) : tuple_size(sequence);
  size_t total = 0;
  for (Py_ssize_t index = 0; index < count; ++index) {
    PyObject* block = is_list ? list_item(sequence, index) : tuple_item(sequence, index);
    if (!check_block(block)) return SendOutcome::kError;
    total += bytes_view(block).size();
  }
  reply_.announce_total(total);
  // Nothing of the application runs any more: the slot may go with the last byte.
  detach_request();
  if (count > 1 && total <= kJoinedBytes) {
    joined_.clear();
    for (Py_ssize_t index = 0; index < count; ++index) {
      joined_.append(bytes_view(is_list ? list_item(sequence, index) : tuple_item(sequence, index)));
    }
    SendOutcome outcome = reply_.block(joined_, true);
    return outcome == SendOutcome::kSent ? reply_.finish(true) : outcome;
  }
  for (Py_ssize_t index = 0; index < count; ++index) {
    // Another thread may change the list during a wait.
    if (is_list && index >= list_size(sequence)) break;
    PyRef block = PyRef::share(is_list ? list_item(sequence, index) : tuple_item(sequence, index));
    if (!check_block(block.get())) return SendOutcome::kError;
    SendOutcome outcome = reply_.block(bytes_view(block.get()), true);
    if (outcome != SendOutcome::kSent) return outcome;
  }
  return reply_.finish(true);
}

SendOutcome WsgiRunner::respond_with_blocks(PyObject* result) {
  PyRef iterator = PyRef::steal(PyObject_GetIter(result));
  if (!iterator) return SendOutcome::kError;
  while (true) {
    PyRef block = PyRef::steal(PyIter_Next(iterator.get()));
    leave_if_child();
    if (!block) {
      if (PyErr_Occurred() != nullptr) return SendOutcome::kError;
      return reply_.finish(false);
    }
    if (!check_block(block.get())) return SendOutcome::kError;
    SendOutcome outcome = reply_.block(bytes_view(block.get()), false);
    if (outcome != SendOutcome::kSent) return outcome;
    channel_.flush();
    const bool of_no_use = reply_.excess() || (sends_file_ && reply_.ended()) || reply_.dropped_enough();
    if (of_no_use) return SendOutcome::kSent;
  }
}

SendOutcome WsgiRunner::respond_with_file(PyObject* wrapper, bool& sent) {
  Host::PlainFile plain;
  // Without a head, or with a part sent by write(), the blocks find the right answer.
  if (!reply_.given() || reply_.head_sent()) return SendOutcome::kSent;
  PyRef file = PyRef::share(wrapped_file(wrapper));
  if (!service_.host.plain_file(file.get(), plain)) return SendOutcome::kError;
  if (plain.descriptor < 0) return SendOutcome::kSent;
  sent = true;
  return reply_.file(plain.descriptor, plain.offset, plain.available);
}

void WsgiRunner::close(PyObject* result) {
  if (is_exact_list(result) || is_exact_tuple(result)) return;
  PyRef method = PyRef::steal(PyObject_GetAttrString(result, "close"));
  if (!method) {
    if (PyErr_ExceptionMatches(PyExc_AttributeError) != 0) {
      PyErr_Clear();
    } else {
      failed("close() raised", false);
    }
    return;
  }
  service_.link.wake_fronts();
  PyRef done = PyRef::steal(PyObject_CallObject(method.get(), nullptr));
  leave_if_child();
  if (!done) failed("close() raised", false);
}

void WsgiRunner::detach_request() {
  reply_.end();
  responder_.detach();
  if (input_) attach_input(input_.get(), nullptr, nullptr);
  if (data_input_) {
    attach_input(data_input_.get(), nullptr, nullptr);
    data_input_ = {};
  }
}

void WsgiRunner::failed(std::string_view what, bool abort) {
  PyRef exception = take_exception();
  if (!exception) return;
  bool exits = PyErr_GivenExceptionMatches(exception.get(), PyExc_SystemExit) != 0 ||
               PyErr_GivenExceptionMatches(exception.get(), PyExc_KeyboardInterrupt) != 0;
  bool told_of_lost_client = !channel_.released() && !channel_.still_wanted() &&
                             PyErr_GivenExceptionMatches(exception.get(), PyExc_ConnectionResetError) != 0;
  if (abort && reply_.abort() == SendOutcome::kError) PyErr_Clear();
  service_.link.wake_fronts();
  if (!told_of_lost_client) service_.host.exception(method_, path_, what, exception.get());
  if (exits) service_.end_reason = "system_exit";
}

void WsgiRunner::log_reply() {
  if (reply_.excess()) {
    service_.host.problem("CW0503", method_, path_,
                          "sent more than its Content-Length of " + std::to_string(reply_.declared().value_or(0)) +
                              " bytes; the rest was cut off" + (reply_.aborted() ? ", and the connection closed" : ""));
  }
  if (reply_.missing()) {
    service_.host.problem("CW0503", method_, path_,
                          "sent " + std::to_string(reply_.sent()) + " bytes, less than its Content-Length of " +
                              std::to_string(reply_.declared().value_or(0)) + "; the connection was cut");
  }
  if (reply_.dropped()) note_dropped_body();
  if (!reply_.left_out().empty() && !service_.warned_of_dropped_field) {
    service_.warned_of_dropped_field = true;
    service_.host.problem("CW0508", method_, path_,
                          "set " + std::string(reply_.left_out()) +
                              ", which belongs to the connection; it was left out, as all such fields will be");
  }
}

// To HEAD most apps answer as to GET, and may: that is said apart.
void WsgiRunner::note_dropped_body() {
  const bool is_head = method_ == "HEAD";
  bool& warned = is_head ? service_.warned_of_body_for_head : service_.warned_of_dropped_body;
  if (std::exchange(warned, true)) return;
  const std::string where =
      is_head ? "to HEAD" : "where none is allowed (status " + std::to_string(reply_.status()) + ")";
  service_.host.problem("CW0504", method_, path_,
                        "gave a body " + where + "; it was dropped, as all further ones will be");
}

void WsgiRunner::leave_if_child() {
  if (service_.link.attached()) return;
  channel_.keep_out_of_child();
  PyRef exception = take_exception();
  service_.host.leave_child(exception.get());
}

}  // namespace cutwater::python
