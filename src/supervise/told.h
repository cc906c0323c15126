// What interpreters tell the operator comes by their channels and goes to the server's log, as our own messages do:
// with time and level, as JSON where that is wanted, and without ever making a worker wait for who reads the log.
#pragma once

#include "base/log.h"
#include "control/channel.h"

namespace cutwater::supervise {

// True if it was such a message, which is then logged. It comes from where the app runs: a damaged one is left out.
bool log_if_told(const control::Message& message, base::LogSink& log);

}  // namespace cutwater::supervise
