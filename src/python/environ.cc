#include "python/environ.h"

#include <array>
#include <charconv>
#include <utility>

#include "base/text.h"
#include "codec/cgi_variables/cgi_variables.h"
#include "python/strings.h"

namespace cutwater::python {
namespace {

constexpr size_t kRememberedNames = 256;   // both bound what a hostile client can make us keep
constexpr size_t kRememberedBytes = 1024;  // of one value; longer ones are made anew

constexpr std::array<const char*, 15> kKeyNames = {
    "REQUEST_METHOD",  "SCRIPT_NAME",     "PATH_INFO",      "QUERY_STRING", "SERVER_NAME",
    "SERVER_PORT",     "SERVER_PROTOCOL", "REMOTE_ADDR",    "REMOTE_PORT",  "REQUEST_URI",
    "wsgi.url_scheme", "wsgi.input",      "CONTENT_LENGTH", "CONTENT_TYPE", "HTTPS"};

bool store(PyObject* dict, const char* key, PyObject* value) {
  PyRef name = PyRef::steal(PyUnicode_InternFromString(key));
  return name && value != nullptr && PyDict_SetItem(dict, name.get(), value) == 0;
}

// A clone keeps the key table of its original: entries put in and taken out again leave room for the header
// fields, so that no request pays for a resize. They are str: a table that never saw another key is smaller.
bool leave_room(PyObject* dict) {
  constexpr int kSpare = 6;
  for (bool put_in : {true, false}) {
    for (int number = 0; number < kSpare; ++number) {
      PyRef key = PyRef::steal(PyUnicode_FromFormat("spare %d", number));
      if (!key) return false;
      int failed = put_in ? PyDict_SetItem(dict, key.get(), Py_None) : PyDict_DelItem(dict, key.get());
      if (failed != 0) return false;
    }
  }
  return true;
}

}  // namespace

PyObject* CachedText::get(std::string_view bytes) {
  if (text_ && bytes == bytes_) return text_.get();
  text_ = PyRef::steal(new_latin1(bytes));
  if (bytes.size() <= kRememberedBytes) {
    bytes_ = bytes;
    return text_.get();
  }
  // Too long to remember: an impossible match, but the str lives until the next call.
  bytes_.assign(1, '\0');
  return text_.get();
}

PyObject* CachedNumber::get(uint64_t number) {
  if (text_ && number == number_) return text_.get();
  char digits[24];
  auto [end, error] = std::to_chars(digits, digits + sizeof digits, number);
  text_ = PyRef::steal(new_latin1({digits, static_cast<size_t>(end - digits)}));
  number_ = number;
  return text_.get();
}

bool EnvironBuilder::prepare(PyObject* errors, PyObject* file_wrapper, bool multithread) {
  static_assert(kKeyNames.size() == kKeyCount);
  for (size_t key = 0; key < kKeyCount; ++key) {
    keys_[key] = PyRef::steal(PyUnicode_InternFromString(kKeyNames.at(key)));
    if (!keys_[key]) return false;
  }
  template_ = PyRef::steal(PyDict_New());
  return template_ && fill_template(errors, file_wrapper, multithread) && leave_room(template_.get());
}

bool EnvironBuilder::fill_template(PyObject* errors, PyObject* file_wrapper, bool multithread) {
  PyObject* dict = template_.get();
  PyRef empty = PyRef::steal(new_latin1(""));
  if (!empty) return false;
  for (size_t key = 0; key <= kInput; ++key) {
    if (PyDict_SetItem(dict, keys_[key].get(), empty.get()) < 0) return false;
  }
  PyRef software = PyRef::steal(new_latin1("cutwater/" CUTWATER_VERSION));
  PyRef version = PyRef::steal(Py_BuildValue("(ii)", 1, 0));
  return store(dict, "SERVER_SOFTWARE", software.get()) && store(dict, "wsgi.version", version.get()) &&
         store(dict, "wsgi.errors", errors) && store(dict, "wsgi.multithread", multithread ? Py_True : Py_False) &&
         store(dict, "wsgi.multiprocess", Py_True) && store(dict, "wsgi.run_once", Py_False) &&
         store(dict, "wsgi.input_terminated", Py_True) && store(dict, "wsgi.file_wrapper", file_wrapper);
}

PyObject* EnvironBuilder::build(const message::Request& request, const link::RequestExtras& extras, uint64_t body_size,
                                PyObject* input) {
  ++request_number_;
  if (!renew_template(request, extras)) return nullptr;
  PyRef environ = PyRef::steal(PyDict_Copy(template_.get()));
  auto set = [this, &environ](Key key, PyObject* value) {
    return value != nullptr && PyDict_SetItem(environ.get(), keys_[key].get(), value) == 0;
  };
  if (!environ || (request.scheme == "https" && !set(kHttps, texts_[kHttps].get("on")))) return nullptr;
  if (!set_fields(environ.get(), request) || !set_variables(environ.get(), request)) return nullptr;
  bool has_body = request.framing != message::BodyFraming::kNone || body_size > 0;
  if (has_body && !set(kContentLength, content_length_.get(body_size))) return nullptr;
  return set(kInput, input) ? environ.release() : nullptr;
}

bool EnvironBuilder::renew(Key key, PyObject* value) {
  if (value == nullptr) return false;
  if (value == held_[key]) return true;
  if (PyDict_SetItem(template_.get(), keys_[key].get(), value) < 0) return false;
  held_[key] = value;
  return true;
}

bool EnvironBuilder::renew_template(const message::Request& request, const link::RequestExtras& extras) {
  codec::SplitPath path = codec::split_path(request.path, extras.script_name);
  bool secure = request.scheme == "https";
  std::string_view server = request.server_name.empty() ? std::string_view("localhost") : request.server_name;
  uint16_t port = request.server_port != 0 ? request.server_port : static_cast<uint16_t>(secure ? 443 : 80);
  auto renew_text = [this](Key key, std::string_view text) { return renew(key, texts_[key].get(text)); };
  return renew_text(kMethod, request.method) && renew_text(kScriptName, path.script_name) &&
         renew_text(kPathInfo, path.path_info) && renew_text(kQuery, request.query) &&
         renew_text(kServerName, server) && renew(kServerPort, server_port_.get(port)) &&
         renew_text(kProtocol, request.version_minor == 0 ? "HTTP/1.0" : "HTTP/1.1") &&
         renew_text(kRemoteAddress, request.remote_address) &&
         renew(kRemotePort, remote_port_.get(request.remote_port)) && renew_text(kRequestUri, request.raw_target) &&
         renew_text(kUrlScheme, request.scheme);
}

bool EnvironBuilder::set_fields(PyObject* environ, const message::Request& request) {
  for (Variable* left_over : repeated_) left_over->joined.clear();  // by a request that failed
  repeated_.clear();
  size_t place = 0;
  for (const message::HeaderField& field : request.headers) {
    Variable* variable = nullptr;
    if (!find_variable(field.name, place++, variable)) return false;
    if (variable == nullptr) continue;
    if (variable->seen_in == request_number_) {
      join(*variable, field.value);
      continue;
    }
    variable->seen_in = request_number_;
    variable->first_value = field.value;
    PyObject* value = variable->value.get(field.value);
    if (value == nullptr || PyDict_SetItem(environ, variable->key.get(), value) < 0) return false;
  }
  return set_repeated(environ);
}

// Names that are there already are not a web server's to say. Of one that comes twice the last counts.
bool EnvironBuilder::set_variables(PyObject* environ, const message::Request& request) {
  for (auto variable = request.variables.end(); variable != request.variables.begin();) {
    --variable;
    PyRef name = PyRef::steal(new_latin1(variable->name));
    PyRef value = PyRef::steal(new_latin1(variable->value));
    if (!name || !value) return false;
    const int there = PyDict_Contains(environ, name.get());
    if (there < 0 || (there == 0 && PyDict_SetItem(environ, name.get(), value.get()) < 0)) return false;
  }
  return true;
}

// Not joined in the environ: each repetition would copy all before it.
void EnvironBuilder::join(Variable& variable, std::string_view value) {
  if (variable.joined.empty()) {
    variable.joined = variable.first_value;
    repeated_.push_back(&variable);
  }
  variable.joined.append(variable.separator).append(value);
}

bool EnvironBuilder::set_repeated(PyObject* environ) {
  bool stored = true;
  for (Variable* variable : repeated_) {
    PyRef joined = PyRef::steal(new_latin1(std::exchange(variable->joined, std::string())));
    stored = stored && joined && PyDict_SetItem(environ, variable->key.get(), joined.get()) == 0;
  }
  repeated_.clear();
  return stored;
}

bool EnvironBuilder::find_variable(std::string_view field_name, size_t place, Variable*& variable) {
  if (place < last_seen_.size() && last_seen_[place]->first == field_name) {
    variable = last_seen_[place]->second;
    return true;
  }
  auto known = by_field_name_.find(field_name);
  if (known == by_field_name_.end()) {
    if (!make_variable(field_name)) return false;
    known = by_field_name_.find(field_name);
  }
  variable = known->second;
  if (place < last_seen_.size()) last_seen_[place] = &*known;
  if (place == last_seen_.size() && place < kRememberedNames) last_seen_.push_back(&*known);
  return true;
}

bool EnvironBuilder::make_variable(std::string_view field_name) {
  // When clients have filled the tables with invented names they start anew, but for what this request has
  // set.
  if (by_field_name_.size() >= kRememberedNames || variables_.size() >= kRememberedNames) {
    last_seen_.clear();
    by_field_name_.clear();
    for (auto entry = variables_.begin(); entry != variables_.end();) {
      entry = entry->second->seen_in == request_number_ ? std::next(entry) : variables_.erase(entry);
    }
  }
  std::string name;
  bool is_variable = codec::append_header_variable(field_name, name);
  if (!is_variable && base::equals_ignoring_case(field_name, "content-type")) {
    name = kKeyNames.at(kContentType);
    is_variable = true;
  }
  Variable* variable = nullptr;
  if (is_variable) {
    auto entry = variables_.find(name);
    if (entry == variables_.end()) {
      auto fresh = std::make_unique<Variable>();
      fresh->key = PyRef::steal(new_latin1(name));
      if (!fresh->key) return false;
      fresh->separator = codec::repeated_field_separator(field_name);
      entry = variables_.emplace(std::move(name), std::move(fresh)).first;
    }
    variable = entry->second.get();
  }
  by_field_name_.emplace(field_name, variable);
  return true;
}

}  // namespace cutwater::python
