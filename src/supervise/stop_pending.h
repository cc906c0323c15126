// Whether a signal to stop waits to be read. Who sends it to all processes, as systemd does, ends workers as well:
// their end may be seen before the signal is.
#pragma once

namespace cutwater::supervise {

bool stop_is_pending();

}  // namespace cutwater::supervise
