#include "config/address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>

#include "base/text.h"

namespace cutwater::config {
namespace {

constexpr std::string_view kUnix = "unix:";
constexpr auto kOurProtocols = std::to_array<std::string_view>({"fastcgi", "uwsgi", "scgi", "http"});

std::string port_problem(std::string_view port) {
  auto number = base::parse_decimal(port);
  if (number && *number <= 65535) return "";
  return "\"" + std::string(port) + "\" is no port (0 to 65535)";
}

// A path, which only a unix socket can be.
bool is_file_path(std::string_view text) {
  return text.starts_with('/') || text.starts_with("./") || text.starts_with("../") || text.starts_with("~/") ||
         (text.ends_with(".sock") && text.find(':') == std::string_view::npos);
}

std::string quoted(std::string_view text) {
  return "\"" + std::string(text) + "\"";
}

bool is_gateway(std::string_view scheme) {
  return scheme == "fastcgi" || scheme == "scgi" || scheme == "uwsgi";
}

// nginx's "http://unix:/run/g.sock:/" -> "unix:/run/g.sock", "/run/g.sock" too; "http://x:1/path" -> "x:1".
std::string without_ornaments(std::string_view text) {
  if (const std::string_view scheme = scheme_of(text); !scheme.empty()) {
    text.remove_prefix(scheme.size() + 1);
    if (text.starts_with("//")) text.remove_prefix(2);
  }
  if (text.starts_with(kUnix)) {
    text.remove_prefix(kUnix.size());
    while (text.starts_with("//")) text.remove_prefix(1);
    return std::string(kUnix).append(text.substr(0, text.find(":/")));
  }
  if (is_file_path(text)) return std::string(kUnix).append(text);
  if (const size_t user = text.find('@'); user != std::string_view::npos) text.remove_prefix(user + 1);
  return std::string(text.substr(0, text.find_first_of("/?#")));
}

}  // namespace

bool is_network(std::string_view text) {
  if (text == "*" || text == "unix") return true;
  size_t slash = text.find('/');
  std::string address(text.substr(0, slash));
  std::array<unsigned char, 16> raw;
  uint64_t bits = 0;
  if (inet_pton(AF_INET, address.c_str(), raw.data()) == 1) {
    bits = 32;
  } else if (inet_pton(AF_INET6, address.c_str(), raw.data()) == 1) {
    bits = 128;
  } else {
    return false;
  }
  if (slash == std::string_view::npos) return true;
  auto length = base::parse_decimal(text.substr(slash + 1));
  return length && *length <= bits;
}

std::string listen_address_problem(std::string_view text) {
  if (text.starts_with("unix:")) {
    if (text.size() == 5) return "the path after \"unix:\" is missing";
    return text.size() - 5 > 107 ? "the path of a unix socket has at most 107 bytes" : "";
  }
  if (text.starts_with("fd:")) {
    auto number = base::parse_decimal(text.substr(3));
    return number && *number < 65536 ? "" : "\"fd:\" takes the number of an open descriptor, as in \"fd:3\"";
  }
  if (size_t scheme = text.find("://"); scheme != std::string_view::npos) {
    return "write it without \"" + std::string(text.substr(0, scheme + 3)) + "\"";
  }
  if (const std::string_view scheme = scheme_of(text); !scheme.empty()) {
    return "it has no \"" + std::string(scheme) + ":\" before it";
  }
  if (is_file_path(text)) return "a unix socket has \"unix:\" before its path";
  size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || text.ends_with(']')) {
    if (base::parse_decimal(text)) {
      const std::string port(text);
      return "a port has a colon before it: \":" + port + "\", or \"127.0.0.1:" + port + "\" for this machine alone";
    }
    return "the port is missing, as in \"127.0.0.1:8000\"";
  }
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[')) {
    std::string inner(host.substr(1, host.size() < 2 ? 0 : host.size() - 2));
    std::array<unsigned char, 16> raw;
    if (!host.ends_with(']') || inet_pton(AF_INET6, inner.c_str(), raw.data()) != 1) {
      return "\"" + std::string(host) + "\" is no IPv6 address";
    }
  } else if (host.find(':') != std::string_view::npos) {
    return "an IPv6 address needs brackets, as in \"[::1]:8000\"";
  } else if (host.find_first_of(" \t/") != std::string_view::npos) {
    return "\"" + std::string(host) + "\" is no host";
  }
  return port_problem(text.substr(colon + 1));
}

ServerAddress parse_server(std::string_view text) {
  constexpr std::string_view kHttp = "http://";
  if (text.starts_with("https://")) return {"", "https to servers is known, not in this version", true};
  const bool is_url = text.starts_with(kHttp);
  if (is_url) {
    text.remove_prefix(kHttp.size());
    if (text.starts_with(kUnix)) return {"", "a unix socket has no \"http://\" before it"};
    if (text.ends_with('/')) text.remove_suffix(1);
    if (text.find_first_of("/?#@") != std::string_view::npos) {
      return {"", "a server has no path and no user; strip says what to take off the path"};
    }
  }
  std::string address(text);
  const bool has_port = text.find(':') != std::string_view::npos && !text.ends_with(']');
  if (is_url && !has_port) address += ":80";
  if (address.starts_with("fd:") || address.starts_with(':')) return {"", "the host is missing"};
  if (address.ends_with(":0") && !address.starts_with("unix:")) return {"", "nobody listens on port 0"};
  return {address, listen_address_problem(address), false, is_url};
}

std::string_view scheme_of(std::string_view text) {
  const size_t slashes = text.find("://");
  if (slashes != std::string_view::npos) return text.substr(0, slashes);
  const std::string_view word = text.substr(0, text.find(':'));
  const bool is_ours = std::find(kOurProtocols.begin(), kOurProtocols.end(), word) != kOurProtocols.end();
  // "http:9000" may be a host of that name.
  return is_ours && std::count(text.begin(), text.end(), ':') > 1 ? word : std::string_view();
}

std::string meant_address(std::string_view text) {
  const std::string meant = without_ornaments(text);
  return listen_address_problem(meant).empty() ? meant : "";
}

std::string meant_server(std::string_view text, const std::string& answer) {
  const std::string_view scheme = scheme_of(text);
  const std::string bare = without_ornaments(text);
  const bool is_url = !bare.starts_with(kUnix) && (answer == "proxy" || (answer.empty() && scheme == "http"));
  const std::string meant = is_url && !is_gateway(scheme) ? "http://" + bare : bare;
  return parse_server(meant).problem.empty() ? meant : "";
}

std::string server_advice(std::string_view text, const std::string& answer) {
  const std::string scheme(scheme_of(text));
  const std::string meant = meant_server(text, answer);
  if (meant.empty() || meant == text) {
    if (answer.empty()) return "write \"http://10.0.0.5:8000\" or \"unix:/run/api.sock\"";
    return std::string("write ") + (answer == "proxy" ? "\"http://127.0.0.1:9000\"" : "\"127.0.0.1:9000\"") +
           ", \"unix:/run/api.sock\" or the name of an [upstream.NAME]";
  }
  if (!is_gateway(scheme) || scheme == answer) return "write " + quoted(meant);
  if (answer.empty()) return "write " + quoted(meant) + " here, and " + scheme + " = {...} in the route";
  return "write " + scheme + " = { to = " + quoted(meant) + " }";
}

std::string listen_advice(std::string_view text) {
  const std::string_view scheme = scheme_of(text);
  const std::string meant = meant_address(text);
  if (meant.empty() || meant == text) return "";
  if (!is_gateway(scheme)) return "write " + quoted(meant);
  return "in [[listen]] of cutwater.toml: addr = " + quoted(meant) + " and protocol = " + quoted(scheme);
}

}  // namespace cutwater::config
