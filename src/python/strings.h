// Text and bytes between Python and C++. PEP 3333 native strings carry bytes as latin-1, so a str and a
// string_view of the same length mean the same.
#pragma once

#include <string>
#include <string_view>

#include "python/py_api.h"

namespace cutwater::python {

// nullptr with a Python exception when out of memory.
inline PyObject* new_latin1(std::string_view text) {
  return PyUnicode_DecodeLatin1(text.data(), static_cast<Py_ssize_t>(text.size()), nullptr);
}

// The characters of a str as latin-1 bytes; valid while both this object and the str live.
class Latin1View {
 public:
  // `text` must be a str. ok() is false (and no exception set) when a character is above U+00FF.
  explicit Latin1View(PyObject* text);
  bool ok() const { return ok_; }
  std::string_view view() const { return view_; }

 private:
  std::string_view view_;
  PyRef encoded_;
  bool ok_ = false;
};

// `bytes` must be a bytes object; the view lives as long as it.
inline std::string_view bytes_view(PyObject* bytes) {
#ifdef Py_LIMITED_API
  char* data = nullptr;
  Py_ssize_t size = 0;
  PyBytes_AsStringAndSize(bytes, &data, &size);
  return {data, static_cast<size_t>(size)};
#else
  return {PyBytes_AS_STRING(bytes), static_cast<size_t>(PyBytes_GET_SIZE(bytes))};
#endif
}

// The whole str as UTF-8, for names and messages; "" with no exception set when it cannot be had.
std::string utf8_text(PyObject* text);
// "TypeError"-style name of an object's type.
std::string type_name(PyObject* object);

}  // namespace cutwater::python
