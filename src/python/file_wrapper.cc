#include "python/file_wrapper.h"

#include <structmember.h>

#include "python/calls.h"

namespace cutwater::python {
namespace {

struct FileWrapper {
  PyObject_HEAD PyObject* file;
  Py_ssize_t block_size;
};

FileWrapper* as_wrapper(PyObject* self) {
  return reinterpret_cast<FileWrapper*>(self);
}

PyObject* make(PyTypeObject* type, PyObject* arguments, PyObject* keywords) {
  static const char* names[] = {"filelike", "blksize", nullptr};
  PyObject* file = nullptr;
  Py_ssize_t block_size = 8192;
  if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O|n:file_wrapper", const_cast<char**>(names), &file,
                                   &block_size)) {
    return nullptr;
  }
  if (block_size <= 0) {
    PyErr_SetString(PyExc_ValueError, "file_wrapper needs a positive block size");
    return nullptr;
  }
  auto* self = new_instance<FileWrapper>(reinterpret_cast<PyObject*>(type));
  if (self == nullptr) return nullptr;
  Py_INCREF(file);
  self->file = file;
  self->block_size = block_size;
  return reinterpret_cast<PyObject*>(self);
}

PyObject* iter(PyObject* self) {
  Py_INCREF(self);
  return self;
}

PyObject* next(PyObject* self) {
  PyRef block = PyRef::steal(PyObject_CallMethod(as_wrapper(self)->file, "read", "n", as_wrapper(self)->block_size));
  if (!block) return nullptr;
  Py_ssize_t size = PyObject_Size(block.get());
  return size > 0 ? block.release() : nullptr;
}

PyObject* close(PyObject* self, PyObject*) {
  PyRef method = PyRef::steal(PyObject_GetAttrString(as_wrapper(self)->file, "close"));
  if (!method) {
    if (PyErr_ExceptionMatches(PyExc_AttributeError) == 0) return nullptr;
    PyErr_Clear();
    Py_RETURN_NONE;
  }
  return PyObject_CallObject(method.get(), nullptr);
}

int traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(reinterpret_cast<PyObject*>(Py_TYPE(self)));
  Py_VISIT(as_wrapper(self)->file);
  return 0;
}

int clear(PyObject* self) {
  Py_CLEAR(as_wrapper(self)->file);
  return 0;
}

void destroy(PyObject* self) {
  PyObject_GC_UnTrack(self);
  clear(self);
  free_instance(self);
}

PyMethodDef methods[] = {{"close", close, METH_NOARGS, "close(): closes the file-like object, if it can be"},
                         {nullptr, nullptr, 0, nullptr}};
PyMemberDef members[] = {
    {"filelike", T_OBJECT_EX, offsetof(FileWrapper, file), READONLY, "the wrapped object"},
    {"blksize", T_PYSSIZET, offsetof(FileWrapper, block_size), READONLY, "how much is read at once"},
    {nullptr, 0, 0, 0, nullptr}};

PyType_Slot slots[] = {{Py_tp_new, reinterpret_cast<void*>(make)},
                       {Py_tp_dealloc, reinterpret_cast<void*>(destroy)},
                       {Py_tp_traverse, reinterpret_cast<void*>(traverse)},
                       {Py_tp_clear, reinterpret_cast<void*>(clear)},
                       {Py_tp_iter, reinterpret_cast<void*>(iter)},
                       {Py_tp_iternext, reinterpret_cast<void*>(next)},
                       {Py_tp_methods, methods},
                       {Py_tp_members, members},
                       {0, nullptr}};

PyType_Spec spec = {"_cutwater.FileWrapper", sizeof(FileWrapper), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, slots};

}  // namespace

PyObject* make_file_wrapper_type() {
  return PyType_FromSpec(&spec);
}

PyObject* wrapped_file(PyObject* wrapper) {
  return as_wrapper(wrapper)->file;
}

}  // namespace cutwater::python
