// A local redirect (RFC 3875 section 6.2.2): a program behind us named a path of this server, and what stands there
// answers the client in its place, as if it had asked for it with GET.
#pragma once

#include <string>
#include <string_view>

#include "base/task.h"
#include "message/exchange.h"

namespace cutwater::handler {

inline constexpr unsigned kMostRedirects = 5;  // of one request, one after the other

// nullptr; or why `target`, a path and query as they stand in Location, cannot answer that exchange.
const char* redirect_problem(const message::Exchange& exchange, std::string_view target);

// Lets `site` answer with what stands at `target`, which has no problem. Nothing of the answer was sent before.
base::Task<void> redirect_locally(message::Exchange& exchange, message::Handler& site, std::string target);

}  // namespace cutwater::handler
