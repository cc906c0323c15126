// What the program ends with; docs/settings.md and `cutwater help` say so too.
#pragma once

namespace cutwater::config {

inline constexpr int kRuntimeFailure = 1;
inline constexpr int kUsage = 2;  // the command line, the settings, or what they name
inline constexpr int kBootFailure = 3;

}  // namespace cutwater::config
