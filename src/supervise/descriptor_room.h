// Whether the master's limit of open files leaves room for what is to be started: better known before than in the
// middle, when each further worker fails for itself.
#pragma once

#include <string>

namespace cutwater::supervise {

// What one generation takes at most in the master while it starts.
unsigned descriptors_of_generation(unsigned workers, unsigned fronts);

// "", or why so many more descriptors cannot be had, with a fix.
std::string lack_of_descriptors(unsigned wanted);

}  // namespace cutwater::supervise
