// EnvironBuilder: the environ of each request, a fresh builtin dict (PEP 3333; faults.md 37-40, 90). It is
// cloned from a template with room to grow; names and the last value of each field are remembered as str
// objects.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "link/request_record.h"
#include "message/request.h"
#include "python/py_api.h"

namespace cutwater::python {

// The str of the bytes seen last: most requests of a client, and many of all clients, repeat them.
class CachedText {
 public:
  // Borrowed until the next get(); nullptr with a Python exception.
  PyObject* get(std::string_view bytes);

 private:
  std::string bytes_;
  PyRef text_;
};

// The same of a number in decimal.
class CachedNumber {
 public:
  PyObject* get(uint64_t number);

 private:
  uint64_t number_ = 0;
  PyRef text_;
};

class EnvironBuilder {
 public:
  // `errors` becomes wsgi.errors, `file_wrapper` wsgi.file_wrapper, `multithread` wsgi.multithread. False with a
  // Python exception.
  bool prepare(PyObject* errors, PyObject* file_wrapper, bool multithread);
  // New reference; nullptr with a Python exception.
  PyObject* build(const message::Request& request, const link::RequestExtras& extras, uint64_t body_size,
                  PyObject* input);

 private:
  enum Key : size_t {
    kMethod,
    kScriptName,
    kPathInfo,
    kQuery,
    kServerName,
    kServerPort,
    kProtocol,
    kRemoteAddress,
    kRemotePort,
    kRequestUri,
    kUrlScheme,
    kInput,
    kContentLength,
    kContentType,
    kHttps,
    kKeyCount
  };
  // A variable that header fields turn into.
  struct Variable {
    PyRef key;
    CachedText value;
    std::string_view separator;
    uint64_t seen_in = 0;          // number of the request that set it last
    std::string_view first_value;  // of that request
    std::string joined;            // of its fields of this name, when there are several
  };
  struct TextHash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };

  bool fill_template(PyObject* errors, PyObject* file_wrapper, bool multithread);
  // What every request has is put into the template before it is cloned: most of it is there already.
  bool renew_template(const message::Request& request, const link::RequestExtras& extras);
  bool renew(Key key, PyObject* value);
  bool set_fields(PyObject* environ, const message::Request& request);
  static bool set_variables(PyObject* environ, const message::Request& request);
  void join(Variable& variable, std::string_view value);
  bool set_repeated(PyObject* environ);
  // nullptr in `variable` for fields that must not become one. False with a Python exception. `place`: which
  // of the request's fields it is; clients send theirs in the same order again and again.
  bool find_variable(std::string_view field_name, size_t place, Variable*& variable);
  bool make_variable(std::string_view field_name);

  PyRef template_;
  PyRef keys_[kKeyCount];
  const PyObject* held_[kKeyCount] = {};  // by the template, which owns them
  CachedText texts_[kKeyCount];
  CachedNumber server_port_;
  CachedNumber remote_port_;
  CachedNumber content_length_;
  std::unordered_map<std::string, std::unique_ptr<Variable>, TextHash, std::equal_to<>> variables_;
  using FieldNames = std::unordered_map<std::string, Variable*, TextHash, std::equal_to<>>;
  FieldNames by_field_name_;
  std::vector<const FieldNames::value_type*> last_seen_;  // by place
  std::vector<Variable*> repeated_;                       // of the request that is being built
  uint64_t request_number_ = 0;
};

}  // namespace cutwater::python
