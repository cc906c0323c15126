// Host: the Python object that stands behind a worker's loop (python/cutwater/worker.py): log messages, the
// master's channel, and the questions that Python answers better than C++.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "python/py_api.h"

namespace cutwater::python {

class Host {
 public:
  // `object` lives as long as this.
  explicit Host(PyObject* object) : object_(PyRef::share(object)) {}

  // Both for the error log; failures of the log itself are dropped. `what` is "raised" or "close() raised".
  void exception(std::string_view method, std::string_view path, std::string_view what, PyObject* exception);
  void problem(std::string_view code, std::string_view method, std::string_view path, std::string_view text);

  // Handles what the master or a signal said. True: the worker shall end, and `reason` says why.
  bool control(std::string& reason);

  // Tells the master that this worker claims nothing any more while it still runs requests.
  void ending(const std::string& reason);

  struct PlainFile {
    int descriptor = -1;  // belongs to the file object; -1: send it block by block
    uint64_t offset = 0;
    uint64_t available = 0;  // bytes from the offset on
  };
  // What a file-like object really is: false with a Python exception.
  bool plain_file(PyObject* file, PlainFile& plain);

  // A thread of the interpreter that calls `run` without arguments. False: the system gives none; it was logged.
  bool start_thread(PyObject* run, unsigned number);
  // Waits until all of them are over, but not for ever.
  void join_threads();

  // For a child that the application forked and that came back into the loop: flushes and ends the process
  // with what the exception (or nullptr) says.
  [[noreturn]] void leave_child(PyObject* exception);

 private:
  PyRef object_;
};

}  // namespace cutwater::python
