// The Python type of a GreenletTeam: _cutwater.GreenletTeam.
#pragma once

#include <memory>

#include "python/greenlet_team.h"

namespace cutwater::python {

// nullptr with a Python exception.
PyObject* make_greenlet_team_type();
// The same.
PyObject* new_greenlet_team(PyObject* type, const WsgiTypes& types, const WsgiSetup& wsgi, GreenletTeam::Setup setup,
                            std::unique_ptr<link::WorkerLink> link);

}  // namespace cutwater::python
