// The one place that turns a request into CGI variables (RFC 3875 section 4.1), for FastCGI, SCGI, uwsgi and CGI.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "codec/cgi_variables/variables.h"
#include "message/request.h"

namespace cutwater::codec {

// Appends "HTTP_USER_AGENT" for "User-Agent". False for names that must not become variables: with a byte outside
// [A-Za-z0-9-] (faults.md 37), Proxy (38), and Content-Type and Content-Length, which have their own variables.
bool append_header_variable(std::string_view header_name, std::string& to);
// How a repeated field is joined: "; " for Cookie, ", " for the others (faults.md 40).
std::string_view repeated_field_separator(std::string_view header_name);

struct SplitPath {
  std::string_view script_name;
  std::string_view path_info;
};
// Splits the decoded path at the app's prefix: SCRIPT_NAME and PATH_INFO.
SplitPath split_path(std::string_view path, std::string_view prefix);

// REQUEST_METHOD, SCRIPT_NAME, PATH_INFO, QUERY_STRING, CONTENT_TYPE, CONTENT_LENGTH, SERVER_NAME, SERVER_PORT,
// SERVER_PROTOCOL, REMOTE_ADDR, REMOTE_PORT, REQUEST_URI, HTTPS with https, and all HTTP_*. `target` is REQUEST_URI.
// `content_length` is what the application can read (a de-chunked body has one too); nullopt leaves CONTENT_LENGTH out.
// Added to `variables` as views: into what is given, which must outlive them, and into `storage`, which receives what
// stands nowhere else in place of what it had.
void cgi_variables(const message::Request& request, const SplitPath& path, std::string_view target,
                   std::optional<uint64_t> content_length, Variables& variables, std::string& storage);

}  // namespace cutwater::codec
