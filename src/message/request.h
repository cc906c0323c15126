// Request: one parsed request head, whatever protocol brought it. All views live as long as its exchange.
#pragma once

#include <cstdint>
#include <string_view>

#include "message/headers.h"

namespace cutwater::message {

enum class BodyFraming : uint8_t { kNone, kLength, kChunked };

struct Request {
  std::string_view method;      // as received, case-sensitive
  std::string_view raw_target;  // as received: REQUEST_URI
  std::string_view path;        // decoded ONCE, dot segments removed, starts with '/' (or "*"): routes and handlers
  std::string_view query;       // after the first '?', undecoded, without it
  // Where a web server in front says that the application begins: what of the path is its SCRIPT_NAME; "": it says
  // nothing. Routes do not look at it.
  std::string_view script_name;
  std::string_view scheme;              // "http" or "https"
  std::string_view authority;           // Host or the absolute-form's authority, lower-cased, never empty
  uint8_t version_minor = 1;            // HTTP/1.x
  bool path_had_encoded_slash = false;  // %2F stood in the target: static files and CGI answer 404 (faults.md 51)

  Headers headers;  // hop-by-hop fields and, from strangers, forwarding fields already removed
  // A web server in front handed forwarding fields of its client on, and they stand for nothing: an app may look at
  // them as behind any server of its protocol, nobody else does.
  bool has_unbelieved_forwarding = false;

  // What a trusted web server in front said beyond the request, by CGI names (REMOTE_USER, SSL_CLIENT_S_DN): for the
  // app alone, its environ or the extension `tls` of its scope; nothing here reads it. Names are letters, digits and
  // '_', never those of what stands above.
  Headers variables;
  // Of these, what an authorizer granted: a server behind us that speaks HTTP gets it as fields.
  Headers granted;

  BodyFraming framing = BodyFraming::kNone;
  uint64_t content_length = 0;  // with kLength
  bool expects_continue = false;
  bool wants_keep_alive = true;
  bool takes_trailers = false;  // TE: trailers
  bool plain_answer = false;    // no informational response and no trailer reaches the client: FastCGI, SCGI, uwsgi
  // The protocols the client would switch to, as received (RFC 9110 section 7.8); empty: none that may be taken.
  // Whoever takes one answers 101 and has then bytes in both directions: see ResponseWriter::head.
  std::string_view upgrade;

  std::string_view remote_address;  // of the client, behind trusted proxies the one they name
  uint16_t remote_port = 0;
  std::string_view server_name;  // host part of authority, or what the web server in front says
  uint16_t server_port = 0;      // from authority, else from the socket

  // Empty again, memory kept: exchanges are pooled.
  void clear();
};

}  // namespace cutwater::message
