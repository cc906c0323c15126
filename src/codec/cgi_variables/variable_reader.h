// The way back from CGI variables to a Request: what a web server hands over by FastCGI, SCGI or uwsgi becomes the
// same request that HTTP would have brought, with the same strictness (faults.md 102).
//
//   REQUEST_METHOD, SCRIPT_NAME + PATH_INFO (decoded), QUERY_STRING, REQUEST_URI, CONTENT_TYPE, CONTENT_LENGTH,
//   SERVER_NAME, SERVER_PORT, SERVER_PROTOCOL, REMOTE_ADDR, REMOTE_PORT, HTTPS or REQUEST_SCHEME or UWSGI_SCHEME,
//   HTTP_* all others: request.variables
#pragma once

#include <cstdint>
#include <string>

#include "codec/cgi_variables/variables.h"
#include "message/request.h"

namespace cutwater::codec {

struct VariablesResult {
  uint16_t status = 0;      // 0: read; else refuse with it
  const char* reason = "";  // what was wrong, for the log
};

// The bytes of `variables` must outlive `request`, and so must `storage`, which receives what cannot be a view into
// them. HTTP_ variables of one name are fields of one name; of any other name the last counts,
// as an administrator expects who adds a line to those the web server came with. The path is SCRIPT_NAME
// and PATH_INFO together, unless both begin alike and REQUEST_URI does so once; without PATH_INFO it is DOCUMENT_URI's,
// or REQUEST_URI's, if that goes on behind SCRIPT_NAME, or there is none. Routes look at all of it; script_name is
// where it was split, if that may mean where the application begins. Addresses are taken as they are: the sender is
// trusted. The authority is HTTP_HOST or else SERVER_NAME, server_name the other way round: empty when neither names
// one. With HTTP_TRANSFER_ENCODING "chunked" and no CONTENT_LENGTH the framing is kChunked: a body of unknown length,
// without the chunks.
VariablesResult read_variables(const Variables& variables, message::Request& request, std::string& storage);

// Whether a variable may be handed to an app beside those of the request: letters, digits, '_' and '-', and none of
// theirs.
bool is_extra_variable(std::string_view name);

}  // namespace cutwater::codec
