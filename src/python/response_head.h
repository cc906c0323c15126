// ResponseHead: what an application gave to start_response(), checked and copied (PEP 3333; faults.md 76-80),
// so that nothing of it can change or hurt later. Reused from request to request.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "message/response.h"
#include "python/py_api.h"

namespace cutwater::python {

// What becomes of a field that is the connection's, not the application's.
enum class HopByHop { kRefuse, kDrop };

class ResponseHead {
 public:
  explicit ResponseHead(HopByHop hop_by_hop) : hop_by_hop_(hop_by_hop) {}
  // False with a Python exception (TypeError, ValueError or AssertionError) that says what breaks the rules;
  // the head given before, if any, is kept then.
  bool set(PyObject* status, PyObject* headers);
  // The same of an ASGI message: a number from `least` on, and pairs of bytes (str is taken, too). Fields of the
  // connection are left out, as ASGI servers do. `reason`: a str that may stand in the status line, else the usual one
  // is said.
  bool set_asgi(long status, long least, PyObject* headers, PyObject* reason = nullptr);
  void clear();

  bool given() const { return values_->status != 0; }
  uint16_t status() const { return values_->status; }
  // As the application said; nothing for 204, where the field is dropped.
  std::optional<uint64_t> content_length() const { return values_->content_length; }
  // The name of a hop-by-hop field that kDrop left out; "" when there was none.
  std::string_view left_out() const { return values_->left_out; }
  // Views into this object, until the next set() or clear().
  const message::Response& response(std::optional<uint64_t> content_length);

 private:
  struct Field {
    size_t name_begin, name_size, value_size;
  };
  struct Values {
    std::string text;  // names and values, one behind the other
    std::vector<Field> fields;
    std::string reason;
    std::string left_out;
    uint16_t status = 0;
    std::optional<uint64_t> content_length;
  };
  // Whether these are the very objects that the last set() took: a str, and tuples of them, stay what they are.
  bool is_repeated(PyObject* status, PyObject* headers) const;
  void remember(PyObject* status, PyObject* headers);
  void forget();
  // The parts of set(): each false with a Python exception.
  static bool read_status(PyObject* status, Values& into);
  bool read_field(PyObject* item, Values& into) const;
  static bool read_pair(PyObject* item, Values& into);
  // `name` and `value` are what the application gave, for the message.
  static bool add_field(PyObject* name, std::string_view name_text, PyObject* value, std::string_view value_text,
                        HopByHop hop_by_hop, Values& into);
  void begin();
  void settle();
  static bool read_content_length(std::string_view value, Values& into);

  const HopByHop hop_by_hop_;
  // What was given, and room for what is being read: a failure must leave the head before in place.
  std::unique_ptr<Values> values_ = std::make_unique<Values>();
  std::unique_ptr<Values> fresh_ = std::make_unique<Values>();
  // Of an application that answers with constants: not read and checked again each time.
  struct Remembered {
    PyRef status;
    std::vector<PyRef> fields;
    uint16_t status_code = 0;
    std::optional<uint64_t> content_length;
  };
  Remembered remembered_;
  message::Response response_;
};

}  // namespace cutwater::python
