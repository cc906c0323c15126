// Addresses as people write them: what to listen on, and servers behind us. Text in, plain value out; also what
// somebody probably meant who wrote one as another program has it.
#pragma once

#include <string>
#include <string_view>

namespace cutwater::config {

// An address or a network in CIDR form ("10.0.0.0/8", "::1"), "unix" for peers on unix sockets, "*" for everybody.
bool is_network(std::string_view text);

// ":8000", "127.0.0.1:8000", "[::1]:8000", "localhost:8000", "unix:/run/x.sock", "fd:3". Returns what is wrong, or "".
std::string listen_address_problem(std::string_view text);

// "http://10.0.0.5:8000" -> "10.0.0.5:8000", without a port 80; "unix:/run/x.sock" and "10.0.0.5:8000" as they are.
// `problem` says what is wrong with another text, or that it is known, not in this version.
struct ServerAddress {
  std::string address;
  std::string problem;
  bool is_later = false;
  bool is_url = false;  // "http://...": it speaks HTTP
};
ServerAddress parse_server(std::string_view text);

// "fastcgi" of "fastcgi://127.0.0.1:9000", "tcp://..." and the like; also of "uwsgi:127.0.0.1:3031" where what is
// before the colon is one of our protocols. "" when there is none.
std::string_view scheme_of(std::string_view text);

// An address without what does not belong there: nginx's "http://unix:/run/g.sock:/" is "unix:/run/g.sock",
// "/run/php.sock" too, "fastcgi://127.0.0.1:9000" is "127.0.0.1:9000". "" when nothing sensible comes of it.
std::string meant_address(std::string_view text);

// The same for a server behind us: with "http://" where it is for `answer` "proxy", or was written so and `answer` is
// "". `answer` is the key of the route ("proxy", "fastcgi", ...), "" in an [upstream.NAME].
std::string meant_server(std::string_view text, const std::string& answer);

// What to do about a server that parse_server refuses.
std::string server_advice(std::string_view text, const std::string& answer);
// The same about an address that cannot be listened on; "" when nothing better than an example is known.
std::string listen_advice(std::string_view text);

}  // namespace cutwater::config
