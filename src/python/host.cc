#include "python/host.h"

#include <sys/stat.h>
#include <unistd.h>

#include "python/calls.h"
#include "python/strings.h"

namespace cutwater::python {

void Host::exception(std::string_view method, std::string_view path, std::string_view what, PyObject* exception) {
  PyRef method_text = PyRef::steal(new_latin1(method));
  PyRef path_text = PyRef::steal(new_latin1(path));
  PyRef what_text = PyRef::steal(new_latin1(what));
  PyRef name = PyRef::steal(new_latin1("exception"));
  PyRef done;
  if (method_text && path_text && what_text && name && exception != nullptr) {
    done = PyRef::steal(PyObject_CallMethodObjArgs(object_.get(), name.get(), method_text.get(), path_text.get(),
                                                   what_text.get(), exception, nullptr));
  }
  if (!done) PyErr_Clear();
}

void Host::problem(std::string_view code, std::string_view method, std::string_view path, std::string_view text) {
  PyRef code_text = PyRef::steal(new_latin1(code));
  PyRef method_text = PyRef::steal(new_latin1(method));
  PyRef path_text = PyRef::steal(new_latin1(path));
  PyRef problem_text = PyRef::steal(new_latin1(text));
  PyRef name = PyRef::steal(new_latin1("problem"));
  PyRef done;
  if (code_text && method_text && path_text && problem_text && name) {
    done = PyRef::steal(PyObject_CallMethodObjArgs(object_.get(), name.get(), code_text.get(), method_text.get(),
                                                   path_text.get(), problem_text.get(), nullptr));
  }
  if (!done) PyErr_Clear();
}

bool Host::control(std::string& reason) {
  PyRef answer = PyRef::steal(PyObject_CallMethod(object_.get(), "control", nullptr));
  if (!answer) {
    PyRef raised = take_exception();
    exception("", "", "control raised", raised.get());
    reason = "broken";
    return true;
  }
  if (answer.get() == Py_None || !PyUnicode_Check(answer.get())) return false;
  reason = utf8_text(answer.get());
  return true;
}

void Host::ending(const std::string& reason) {
  PyRef done = PyRef::steal(PyObject_CallMethod(object_.get(), "ending", "s", reason.c_str()));
  if (!done) PyErr_Clear();
}

bool Host::plain_file(PyObject* file, PlainFile& plain) {
  plain = {};
  PyRef answer = PyRef::steal(PyObject_CallMethod(object_.get(), "plain_file", "O", file));
  if (!answer) return false;
  if (answer.get() == Py_None) return true;
  int descriptor = -1;
  unsigned long long offset = 0;
  if (!PyArg_ParseTuple(answer.get(), "iK", &descriptor, &offset)) return false;
  struct stat status;
  // What the kernel makes up when it is read (/proc, /sys) has a size that says nothing, and no blocks.
  bool regular = ::fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode) && status.st_blocks > 0;
  if (!regular) return true;
  plain.descriptor = descriptor;
  plain.offset = offset;
  auto size = static_cast<uint64_t>(status.st_size);
  plain.available = size > offset ? size - offset : 0;
  return true;
}

bool Host::start_thread(PyObject* run, unsigned number) {
  PyRef started = PyRef::steal(PyObject_CallMethod(object_.get(), "start_thread", "OI", run, number));
  if (!started) {
    PyRef raised = take_exception();
    exception("", "", "start_thread raised", raised.get());
  }
  return started.get() == Py_True;
}

void Host::join_threads() {
  PyRef joined = PyRef::steal(PyObject_CallMethod(object_.get(), "join_threads", nullptr));
  if (!joined) PyErr_Clear();
}

void Host::leave_child(PyObject* exception) {
  PyObject* argument = exception == nullptr ? Py_None : exception;
  PyRef ended = PyRef::steal(PyObject_CallMethod(object_.get(), "leave_child", "O", argument));
  ::_exit(1);
}

}  // namespace cutwater::python
