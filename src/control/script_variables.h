// Which variables of a request a CGI script gets. The spawner decides, as the front that asks may have been taken over;
// what the front and the configuration say to people follows from the same.
#pragma once

#include <string_view>

namespace cutwater::control {

// Whether it may get one of that name from any request: what RFC 3875 and web servers have, and nothing that tells a
// loader or an interpreter what to do.
bool is_request_variable(std::string_view name);

// Whether a loader, an interpreter or a common library does what such a variable says, or it says whose home and which
// programs a script uses: no request ever says that, whatever the configuration lists. In any case of letters.
bool is_obeyed_variable(std::string_view name);

}  // namespace cutwater::control
