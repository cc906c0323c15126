// What a worker process needs from the kernel beyond Python's own modules.
#pragma once

namespace cutwater::python {

// What `ps` and /proc/PID/comm show of this process: at most 15 bytes. Threads started later have it too.
void set_process_name(const char* name);

// Kills this process `milliseconds` after its parent, at the other end of `channel`, has ended, whatever Python does then
// (it notices the end of the channel itself, unless the app hangs). Without a thread: Python warns at each fork() of a
// process that has one. In vain after a change of user. False with errno.
bool end_with_parent(int channel, int milliseconds);

// Ends the process in `milliseconds`, unless it has ended by itself. False with errno.
bool exit_within(int milliseconds, int status);

}  // namespace cutwater::python
