// What a worker process needs from the kernel beyond Python's own modules.
#pragma once

namespace cutwater::python {

// What `ps` and /proc/PID/comm show of this process: at most 15 bytes. Threads started later have it too.
void set_process_name(const char* name);

// Kills this process `milliseconds` after the other end of `channel` was closed, whatever Python does then (it notices
// that itself, unless the app hangs): the master is gone. Without a thread, since Python warns at each fork() of a
// process that has one: the kernel signals what comes on the channel. False with errno.
bool end_with_parent(int channel, int milliseconds);

// Ends the process in `milliseconds`, unless it has ended by itself. False with errno.
bool exit_within(int milliseconds, int status);

}  // namespace cutwater::python
