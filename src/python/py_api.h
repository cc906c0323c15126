// The C API, in one of two shapes: the full API of one minor version, or the limited API of 3.9 (abi3) for
// every interpreter without a build of its own. Code outside strings.h and calls.h does not care which.
#pragma once

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <utility>

namespace cutwater::python {

#ifdef Py_LIMITED_API
inline constexpr bool kLimitedApi = true;
#else
inline constexpr bool kLimitedApi = false;
#endif

// PyRef: owns one reference. Needs the GIL wherever it is copied, reset or destroyed.
class PyRef {
 public:
  PyRef() = default;
  static PyRef steal(PyObject* object) { return PyRef(object); }
  static PyRef share(PyObject* object) {
    Py_XINCREF(object);
    return PyRef(object);
  }
  PyRef(PyRef&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  PyRef& operator=(PyRef&& other) noexcept {
    PyObject* old = std::exchange(object_, std::exchange(other.object_, nullptr));
    Py_XDECREF(old);
    return *this;
  }
  ~PyRef() { Py_XDECREF(object_); }

  PyObject* get() const { return object_; }
  explicit operator bool() const { return object_ != nullptr; }
  PyObject* release() { return std::exchange(object_, nullptr); }
  // The member is empty before the old object's destructor can run and look at it again.
  void reset() { Py_XDECREF(std::exchange(object_, nullptr)); }

 private:
  explicit PyRef(PyObject* object) : object_(object) {}
  PyObject* object_ = nullptr;
};

// Gives the GIL up for the length of a wait.
class GilRelease {
 public:
  GilRelease() : state_(PyEval_SaveThread()) {}
  GilRelease(const GilRelease&) = delete;
  GilRelease& operator=(const GilRelease&) = delete;
  ~GilRelease() { PyEval_RestoreThread(state_); }

 private:
  PyThreadState* state_;
};

// The pending exception as one object with its traceback, and no longer pending; empty when there is none.
PyRef take_exception();

}  // namespace cutwater::python
