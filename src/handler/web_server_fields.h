// Fields by which an application has the web server in front of it send a file, or not buffer its answer:
// X-Accel-Redirect, X-Sendfile and their kin. They name files and places of the inside (faults.md 46).
#pragma once

#include "message/exchange.h"
#include "message/headers.h"

namespace cutwater::handler {

void remove_web_server_fields(message::Headers& headers);
// An app's answer keeps them for a web server that is trusted, as it does what they say; for no other client.
void hide_web_server_fields(const message::Exchange& exchange, message::Headers& headers);

}  // namespace cutwater::handler
