#include "python/response_head.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "link/response_record.h"
#include "message/grammar.h"
#include "python/calls.h"
#include "python/strings.h"

namespace cutwater::python {
namespace {

constexpr Py_ssize_t kRememberedFields = 32;

// PEP 3333: an application must not use hop-by-hop fields; this also covers names that only proxies use.
// Content-Length, which frames too, apart.
bool is_hop_by_hop(std::string_view name) {
  // The first letters sort out nearly every field an application sends.
  switch (base::ascii_lower(name.front())) {
    case 'c':
    case 'k':
    case 'p':
    case 't':
    case 'u':
      break;
    default:
      return false;
  }
  return link::is_framing_field(name) || base::equals_ignoring_case(name, "trailers") ||
         base::equals_ignoring_case(name, "proxy-authenticate") ||
         base::equals_ignoring_case(name, "proxy-authorization");
}

// What runs no code of the application when it is let go.
bool is_plain_pair(PyObject* item) {
  return is_exact_tuple(item) && is_exact_str(tuple_item(item, 0)) && is_exact_str(tuple_item(item, 1));
}

}  // namespace

void ResponseHead::begin() {
  fresh_->text.clear();
  fresh_->fields.clear();
  fresh_->left_out.clear();
  fresh_->content_length.reset();
}

void ResponseHead::settle() {
  if (!message::status_allows_body(fresh_->status) && fresh_->status != 304) fresh_->content_length.reset();
  if (fresh_->status == 205) fresh_->content_length = 0;
  std::swap(values_, fresh_);
}

bool ResponseHead::is_repeated(PyObject* status, PyObject* headers) const {
  if (remembered_.status.get() != status || !PyList_Check(headers)) return false;
  if (static_cast<size_t>(list_size(headers)) != remembered_.fields.size()) return false;
  Py_ssize_t index = 0;
  return std::all_of(remembered_.fields.begin(), remembered_.fields.end(),
                     [&](const PyRef& field) { return field.get() == list_item(headers, index++); });
}

void ResponseHead::remember(PyObject* status, PyObject* headers) {
  if (!is_exact_str(status) || !values_->left_out.empty() || list_size(headers) > kRememberedFields) return;
  for (Py_ssize_t index = 0; index < list_size(headers); ++index) {
    PyObject* field = list_item(headers, index);
    if (!is_plain_pair(field)) return remembered_.fields.clear();
    remembered_.fields.push_back(PyRef::share(field));
  }
  remembered_.status = PyRef::share(status);
  remembered_.status_code = values_->status;
  remembered_.content_length = values_->content_length;
}

void ResponseHead::forget() {
  remembered_.status = {};
  remembered_.fields.clear();
}

bool ResponseHead::set(PyObject* status, PyObject* headers) {
  if (is_repeated(status, headers)) {
    values_->status = remembered_.status_code;
    values_->content_length = remembered_.content_length;
    return true;
  }
  forget();
  begin();
  if (!read_status(status, *fresh_)) return false;
  if (!PyList_Check(headers)) {
    PyErr_Format(PyExc_TypeError, "start_response() needs a list of headers, not %s", type_name(headers).c_str());
    return false;
  }
  for (Py_ssize_t index = 0; index < list_size(headers); ++index) {
    if (!read_field(list_item(headers, index), *fresh_)) return false;
  }
  settle();
  remember(status, headers);
  return true;
}

bool ResponseHead::set_asgi(long status, long least, PyObject* headers, PyObject* reason) {
  forget();
  begin();
  if (status < least || status > 999) {
    PyErr_Format(PyExc_ValueError, "the response needs a status from %ld to 999, not %ld", least, status);
    return false;
  }
  fresh_->status = static_cast<uint16_t>(status);
  fresh_->reason.clear();
  if (reason != nullptr && PyUnicode_Check(reason)) {
    const Latin1View text(reason);
    if (text.ok() && message::is_field_value(text.view())) fresh_->reason = text.view();
  }
  if (headers != nullptr && headers != Py_None) {
    PyRef iterator = PyRef::steal(PyObject_GetIter(headers));
    if (!iterator) return false;
    while (PyRef item = PyRef::steal(PyIter_Next(iterator.get()))) {
      if (!read_pair(item.get(), *fresh_)) return false;
    }
    if (PyErr_Occurred() != nullptr) return false;
  }
  settle();
  return true;
}

bool ResponseHead::read_pair(PyObject* item, Values& into) {
  const bool tuple = PyTuple_Check(item) && tuple_size(item) == 2;
  if (!tuple && !(PyList_Check(item) && list_size(item) == 2)) {
    PyErr_Format(PyExc_TypeError, "a response header must be a pair (name, value) of bytes, not %R", item);
    return false;
  }
  PyRef name = PyRef::share(tuple ? tuple_item(item, 0) : list_item(item, 0));
  PyRef value = PyRef::share(tuple ? tuple_item(item, 1) : list_item(item, 1));
  if (PyBytes_Check(name.get()) && PyBytes_Check(value.get())) {
    return add_field(name.get(), bytes_view(name.get()), value.get(), bytes_view(value.get()), HopByHop::kDrop, into);
  }
  if (!PyUnicode_Check(name.get()) || !PyUnicode_Check(value.get())) {
    PyErr_Format(PyExc_TypeError, "name and value of a response header must be bytes: %R", item);
    return false;
  }
  Latin1View name_text(name.get());
  Latin1View value_text(value.get());
  if (!name_text.ok() || !value_text.ok()) {
    PyErr_Format(PyExc_ValueError, "response header %R has a character that no header may have", item);
    return false;
  }
  return add_field(name.get(), name_text.view(), value.get(), value_text.view(), HopByHop::kDrop, into);
}

void ResponseHead::clear() {
  values_->status = 0;
  values_->left_out.clear();
  values_->content_length.reset();
}

bool ResponseHead::read_status(PyObject* status, Values& into) {
  if (!PyUnicode_Check(status)) {
    PyErr_Format(PyExc_TypeError, "start_response() needs a status like '200 OK' as str, not %s",
                 type_name(status).c_str());
    return false;
  }
  Latin1View text(status);
  std::string_view view = text.view();
  bool valid = text.ok() && view.size() >= 3 && (view.size() == 3 || view[3] == ' ') && message::is_field_value(view);
  auto code = valid ? base::parse_decimal(view.substr(0, 3)) : std::nullopt;
  if (!code || *code < 200) {
    PyErr_Format(PyExc_ValueError, "start_response() needs a status like '200 OK' from 200 to 999, not %R", status);
    return false;
  }
  into.status = static_cast<uint16_t>(*code);
  into.reason = base::trim_whitespace(view.substr(3));
  return true;
}

bool ResponseHead::read_field(PyObject* item, Values& into) const {
  if (!PyTuple_Check(item) || tuple_size(item) != 2) {
    PyErr_Format(PyExc_TypeError, "a response header must be a tuple (name, value), not %R", item);
    return false;
  }
  PyObject* name = tuple_item(item, 0);
  PyObject* value = tuple_item(item, 1);
  if (!PyUnicode_Check(name) || !PyUnicode_Check(value)) {
    PyErr_Format(PyExc_TypeError, "name and value of a response header must be str: %R", item);
    return false;
  }
  Latin1View name_text(name);
  Latin1View value_text(value);
  // What is above U+00FF has no bytes: "" is no name, and a line feed no value.
  return add_field(name, name_text.view(), value, value_text.ok() ? value_text.view() : std::string_view("\n"),
                   hop_by_hop_, into);
}

bool ResponseHead::add_field(PyObject* name, std::string_view name_text, PyObject* value, std::string_view value_text,
                             HopByHop hop_by_hop, Values& into) {
  if (!message::is_token(name_text)) {
    PyErr_Format(PyExc_ValueError, "%R is no valid response header name", name);
    return false;
  }
  if (!message::is_field_value(value_text)) {
    PyErr_Format(PyExc_ValueError, "response header %R has a character that no header may have: %R", name, value);
    return false;
  }
  std::string_view trimmed = base::trim_whitespace(value_text);
  if (base::equals_ignoring_case(name_text, "content-length")) return read_content_length(trimmed, into);
  if (is_hop_by_hop(name_text)) {
    if (hop_by_hop == HopByHop::kDrop) {
      into.left_out = name_text;
      return true;
    }
    PyErr_Format(PyExc_AssertionError, "response header %R is hop-by-hop: it belongs to the server (PEP 3333)", name);
    return false;
  }
  into.fields.push_back({into.text.size(), name_text.size(), trimmed.size()});
  into.text.append(name_text).append(trimmed);
  return true;
}

bool ResponseHead::read_content_length(std::string_view value, Values& into) {
  auto length = base::parse_decimal(value);
  if (!length) {
    PyErr_Format(PyExc_ValueError,
                 "Content-Length %s is no number, so the response is not sent (500): write the bytes of the body in "
                 "digits, or leave Content-Length out",
                 std::string(value).c_str());
    return false;
  }
  if (into.content_length) {
    PyErr_SetString(PyExc_ValueError, "Content-Length is given twice");
    return false;
  }
  into.content_length = length;
  return true;
}

const message::Response& ResponseHead::response(std::optional<uint64_t> content_length) {
  response_.status = values_->status;
  response_.reason = values_->reason;
  response_.content_length = content_length;
  response_.headers.clear();
  std::string_view text = values_->text;
  for (const Field& field : values_->fields) {
    response_.headers.add(text.substr(field.name_begin, field.name_size),
                          text.substr(field.name_begin + field.name_size, field.value_size));
  }
  return response_;
}

}  // namespace cutwater::python
