// When a peer does not speak a server's protocol, somebody has to mend a configuration.
#pragma once

#include <cstdint>
#include <string_view>

#include "io/listener.h"
#include "serve/server_state.h"

namespace cutwater::serve {

// A warning, at most once a second: a web server that is told to speak the wrong protocol does so with every request.
void warn_of_foreigner(ServerState& server, const io::Address& local, std::string_view reason);

// Likewise of uwsgi's modifier1, which says for what language a request is.
void warn_of_modifier(ServerState& server, const io::Address& local, uint8_t modifier1);

}  // namespace cutwater::serve
