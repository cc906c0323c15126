// What a worker process needs from the kernel beyond Python's own modules.
#pragma once

namespace cutwater::python {

// The kernel sends `signal` to this process when its parent ends (PR_SET_PDEATHSIG). The second line of
// defence only: a change of user clears it. False with errno.
bool set_parent_death_signal(int signal);

// Ends the process `milliseconds` after the other end of `socket` was closed, whatever Python does then: the
// master is gone. `socket` is duplicated. False with errno.
bool exit_after_hangup(int socket, int milliseconds, int status);

// Ends the process in `milliseconds`, unless it has ended by itself. False with errno.
bool exit_within(int milliseconds, int status);

}  // namespace cutwater::python
