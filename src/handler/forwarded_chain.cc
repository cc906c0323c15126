#include "handler/forwarded_chain.h"

#include <utility>

#include "base/text.h"

namespace cutwater::handler {

namespace {

constexpr size_t kMostHops = 64;

// "192.0.2.1", "192.0.2.1:80", "[2001:db8::1]:80", "2001:db8::1", "unknown", "_hidden".
ForwardedHop read_node(std::string_view node) {
  ForwardedHop hop;
  std::string_view port;
  if (node.starts_with('[')) {
    size_t end = node.find(']');
    if (end == std::string_view::npos) return hop;
    hop.address = node.substr(1, end - 1);
    if (end + 1 < node.size()) {
      if (node[end + 1] != ':') return {};
      port = node.substr(end + 2);
    }
  } else if (size_t colon = node.find(':'); colon != std::string_view::npos && colon == node.rfind(':')) {
    hop.address = node.substr(0, colon);
    port = node.substr(colon + 1);
  } else {
    hop.address = node;
  }
  hop.parsed = parse_ip_address(hop.address);
  if (!hop.parsed) return {};
  if (auto number = base::parse_decimal(port); number && *number <= 65535) hop.port = static_cast<uint16_t>(*number);
  return hop;
}

std::string_view unquote(std::string_view value) {
  if (value.size() >= 2 && value.starts_with('"') && value.ends_with('"')) return value.substr(1, value.size() - 2);
  return value;
}

// Calls `visit` for each element between `separator`s that stand outside quotes. False when a quote stays open.
template <class Visit>
bool for_each_element(std::string_view text, char separator, Visit visit) {
  size_t begin = 0;
  bool quoted = false;
  for (size_t i = 0; i <= text.size(); ++i) {
    if (i == text.size() || (!quoted && text[i] == separator)) {
      std::string_view element = base::trim_whitespace(text.substr(begin, i - begin));
      if (!element.empty() && !visit(element)) return false;
      begin = i + 1;
    } else if (text[i] == '"') {
      quoted = !quoted;
    } else if (text[i] == '\\' && quoted) {
      return false;  // no address needs escapes
    }
  }
  return !quoted;
}

// Each parameter may stand once (RFC 7239 section 4).
bool read_forwarded_element(std::string_view element, ForwardedHop& hop) {
  bool has_for = false;
  bool has_proto = false;
  return for_each_element(element, ';', [&](std::string_view pair) {
    size_t equals = pair.find('=');
    if (equals == std::string_view::npos) return false;
    std::string_view name = pair.substr(0, equals);
    std::string_view value = unquote(pair.substr(equals + 1));
    if (base::equals_ignoring_case(name, "for")) {
      if (std::exchange(has_for, true)) return false;
      std::string_view scheme = hop.scheme;
      hop = read_node(value);
      hop.scheme = scheme;
    } else if (base::equals_ignoring_case(name, "proto")) {
      if (std::exchange(has_proto, true)) return false;
      hop.scheme = value;
    }
    return true;
  });
}

}  // namespace

std::optional<std::vector<ForwardedHop>> read_x_forwarded_for(const message::Headers& headers) {
  std::vector<ForwardedHop> hops;
  for (const message::HeaderField& field : headers) {
    if (!base::equals_ignoring_case(field.name, "X-Forwarded-For")) continue;
    bool fine = for_each_element(field.value, ',', [&](std::string_view element) {
      hops.push_back(read_node(element));
      return hops.size() <= kMostHops;
    });
    if (!fine) return std::nullopt;
  }
  return hops;
}

std::optional<std::vector<ForwardedHop>> read_forwarded(const message::Headers& headers) {
  std::vector<ForwardedHop> hops;
  for (const message::HeaderField& field : headers) {
    if (!base::equals_ignoring_case(field.name, "Forwarded")) continue;
    bool fine = for_each_element(field.value, ',', [&](std::string_view element) {
      return read_forwarded_element(element, hops.emplace_back()) && hops.size() <= kMostHops;
    });
    if (!fine) return std::nullopt;
  }
  return hops;
}

std::string as_x_forwarded_for(const std::vector<ForwardedHop>& hops) {
  std::string list;
  for (const ForwardedHop& hop : hops) {
    list.append(list.empty() ? "" : ", ").append(hop.address.empty() ? "unknown" : hop.address);
  }
  return list;
}

// RFC 7239: an IPv6 address stands in brackets and quotes.
std::string as_forwarded(const std::vector<ForwardedHop>& hops) {
  std::string list;
  for (const ForwardedHop& hop : hops) {
    const bool is_ipv6 = hop.address.find(':') != std::string_view::npos;
    list.append(list.empty() ? "for=" : ", for=").append(is_ipv6 ? "\"[" : "");
    list.append(hop.address.empty() ? "unknown" : hop.address).append(is_ipv6 ? "]\"" : "");
  }
  return list;
}

const ForwardedHop* find_client(const std::vector<ForwardedHop>& hops, const TrustedNetworks& trusted) {
  const ForwardedHop* client = nullptr;
  for (auto hop = hops.rbegin(); hop != hops.rend() && hop->parsed; ++hop) {
    client = &*hop;
    if (!trusted.trusts(*hop->parsed)) break;
  }
  return client;
}

}  // namespace cutwater::handler
