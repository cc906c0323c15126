// What Cutwater knows by name but this version cannot do: refused with "known, not in this version" instead of being
// called unknown, and absent from --help.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace cutwater::config {

// `where`: "" (top level), "listen", "app", "limits", "log", "shutdown", "site", "route", "match", "static".
bool is_later_key(std::string_view where, std::string_view key);
// What to do without it. `where` as above, or "command", "flag" or "variable", whose names are those of flags.
std::string later_fix(std::string_view where, std::string_view name);
bool is_later_command(std::string_view command);
bool is_later_flag(std::string_view flag);  // "domain", without dashes

}  // namespace cutwater::config
