// How slowly a client may send a request's body (limits.body_min_rate, faults.md 70).
#pragma once

#include <cstdint>

#include "base/clock.h"
#include "serve/http_server.h"

namespace cutwater::serve {

// How long to wait for the next bytes of a body that has brought `received` and was waited for `waited` until now: they
// must come within the grace, and all so far at the least rate, the grace apart. Where no rate is asked a client must
// send something within the time in which it must take something.
base::Duration patience_with_body(const ServeOptions& options, uint64_t received, base::Duration waited);

}  // namespace cutwater::serve
