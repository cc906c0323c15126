// ResponseHead: what an application gave to start_response(), checked and copied (PEP 3333; faults.md 76-80),
// so that nothing of it can change or hurt later. Reused from request to request.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "message/response.h"
#include "python/py_api.h"

namespace cutwater::python {

class ResponseHead {
 public:
  // False with a Python exception (TypeError, ValueError or AssertionError) that says what breaks the rules;
  // the head given before, if any, is kept then.
  bool set(PyObject* status, PyObject* headers);
  void clear();

  bool given() const { return status_ != 0; }
  uint16_t status() const { return status_; }
  // As the application said; nothing for 204, where the field is dropped.
  std::optional<uint64_t> content_length() const { return content_length_; }
  // Views into this object, until the next set() or clear().
  const message::Response& response(std::optional<uint64_t> content_length);

 private:
  struct Field {
    size_t name_begin, name_size, value_size;
  };
  // The parts of set(): each false with a Python exception.
  bool read_status(PyObject* status);
  bool read_field(PyObject* item);
  bool read_content_length(std::string_view value);

  std::string text_;  // names and values, one behind the other
  std::vector<Field> fields_;
  std::string reason_;
  uint16_t status_ = 0;
  std::optional<uint64_t> content_length_;
  message::Response response_;
};

}  // namespace cutwater::python
