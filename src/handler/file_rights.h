// Whose a socket is, for messages about one that may not be opened.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

namespace cutwater::handler {

// "shop", or "1000" for a user without a name. Looks it up, which may block.
std::string user_name(uid_t user);

// The way out for `user`, whom the front runs as: it says whose the socket at `path` is, if that can be seen.
std::string how_to_open(const std::string& path, std::string_view user);

}  // namespace cutwater::handler
