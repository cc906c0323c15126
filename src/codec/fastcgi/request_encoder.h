// A FastCGI request as a web server sends it (specification sections 3 and 5): message in -> bytes.
#pragma once

#include <cstdint>
#include <string>

#include "codec/cgi_variables/variables.h"
#include "codec/fastcgi/record.h"

namespace cutwater::codec::fastcgi {

// BEGIN_REQUEST and the whole of PARAMS, which may take many records. STDIN follows.
void append_request(std::string& to, uint16_t request_id, Role role, bool keep_connection, const Variables& variables);

}  // namespace cutwater::codec::fastcgi
