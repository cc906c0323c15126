// Whether the master's limit of open files leaves room for what is to be started: better known before than in the
// middle, when each further worker fails for itself.
#pragma once

#include <string>

namespace cutwater::supervise {

// What one generation takes at most in the master while it starts.
unsigned descriptors_of_generation(unsigned workers, unsigned fronts);

// "", or why so many more descriptors cannot be had, with a fix. Raises this process's own limit where that helps.
std::string lack_of_descriptors(unsigned wanted);

// In a child that runs what others wrote: it gets the limit that we were started with.
void restore_descriptor_limit();

}  // namespace cutwater::supervise
