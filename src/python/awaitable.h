// Awaitable: what receive() and send() give when their answer is there already: awaiting it never suspends. It passes
// for a coroutine (collections.abc.Coroutine), so that asyncio.create_task(receive()) works as with an `async def`.
#pragma once

#include "python/py_api.h"

namespace cutwater::python {

// The type object, or nullptr with a Python exception.
PyObject* make_awaitable_type();
// Gives `value` (stolen; nullptr is None) each time it is awaited. nullptr with a Python exception.
PyObject* new_awaitable(PyObject* type, PyObject* value);

}  // namespace cutwater::python
