// The request as a server behind us gets it: whose it was and on which way it came is said in the forwarding fields.
#pragma once

#include <string>
#include <string_view>

#include "message/exchange.h"
#include "upstream/request_body.h"

namespace cutwater::handler {

struct ForwardedRequest {
  std::string_view strip;     // taken off the path: "" or "/api"
  std::string_view instance;  // what this server calls itself, a token
  bool close = false;         // one request a connection
};

// The head's bytes. X-Forwarded-For and Forwarded tell of the same hops and grow by the peer that asked us, Via and
// CDN-Loop by us; X-Real-IP, X-Forwarded-Proto and X-Forwarded-Host say what this server believes of the client
// (handler/forwarded).
std::string forwarded_head(const message::Exchange& exchange, const upstream::RequestBody& body,
                           const ForwardedRequest& options);

// The target in origin-form. As it was received when the path routes were chosen by is just that, decoded; where dot
// segments or slashes were removed, that path encoded again: nobody behind us may see another path than the one that
// was let through.
std::string forwarded_target(const message::Request& request, std::string_view strip);

// X-Sendfile-Type and its like, also as the variable X_SENDFILE_TYPE: only a server in front of an application may say
// that (faults.md 46).
bool says_how_files_are_sent(std::string_view name);

// The field that says a variable to a server which speaks HTTP: "Remote-User" for REMOTE_USER. "": one that routing or
// framing depends on, or that is set here; no variable may say that.
std::string field_of_variable(std::string_view variable);
// Whether both are one for whoever makes variables of fields: in whatever case, '-' as '_'.
bool same_as_variables(std::string_view field, std::string_view other);

// The decoded path as a target has it.
std::string percent_encoded(std::string_view path);

// All values of that field as one list, and `element` behind them where it is not empty.
std::string grown_list(const message::Headers& headers, std::string_view name, std::string_view element);

// Whether this request has been here before: CDN-Loop (RFC 8586) names us (faults.md 118).
bool came_back(const message::Headers& headers, std::string_view instance);

}  // namespace cutwater::handler
