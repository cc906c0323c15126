#include "handler/forwarded.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <vector>

#include "base/text.h"
#include "handler/forwarded_chain.h"
#include "message/authority.h"

namespace cutwater::handler {

namespace {

// What a stranger may not say about where a request comes from.
constexpr std::array<std::string_view, 15> kForwardingFields = {
    "X-Forwarded-For",      "X-Forwarded-Proto",  "X-Forwarded-Host",   "X-Forwarded-Port",   "X-Forwarded-Ssl",
    "X-Forwarded-Protocol", "X-Forwarded-Scheme", "X-Forwarded-Server", "X-Forwarded-Prefix", "X-Url-Scheme",
    "Front-End-Https",      "Forwarded",          "X-Real-Ip",          "X-Client-Ip",        "Via"};

// '_' counts as '-': X_Forwarded_For becomes the same variable in most servers behind us (faults.md 37).
bool means(std::string_view name, std::string_view field) {
  return std::equal(name.begin(), name.end(), field.begin(), field.end(), [](char left, char right) {
    return base::ascii_lower(left == '_' ? '-' : left) == base::ascii_lower(right);
  });
}

// What is removed, from a trusted peer or another. No proxy writes names with '_': those go, whoever sent them.
std::vector<std::string_view> unbelieved_fields(const message::Headers& headers, bool trusted) {
  std::vector<std::string_view> found;
  for (const message::HeaderField& field : headers) {
    const bool believable = trusted && field.name.find('_') == std::string_view::npos;
    if (!believable && is_forwarding_field(field.name)) found.push_back(field.name);
  }
  return found;
}

enum class Scheme { kUnsaid, kHttp, kHttps, kContradictory, kUnknown };

Scheme merge(Scheme left, Scheme right) {
  if (left == Scheme::kUnsaid) return right;
  if (right == Scheme::kUnsaid || left == right) return left;
  if (left == Scheme::kUnknown || right == Scheme::kUnknown) return Scheme::kUnknown;
  return Scheme::kContradictory;
}

// "ssl": X-Forwarded-Protocol of some load balancers.
Scheme scheme_named(std::string_view text) {
  constexpr std::string_view kSecure[] = {"https", "wss", "ssl"};
  const auto is_it = [&](std::string_view name) { return base::equals_ignoring_case(text, name); };
  if (std::any_of(std::begin(kSecure), std::end(kSecure), is_it)) return Scheme::kHttps;
  if (base::equals_ignoring_case(text, "http") || base::equals_ignoring_case(text, "ws")) return Scheme::kHttp;
  return Scheme::kUnknown;
}

Scheme scheme_switched(std::string_view text) {
  if (base::equals_ignoring_case(text, "on") || text == "1") return Scheme::kHttps;
  if (base::equals_ignoring_case(text, "off") || text == "0") return Scheme::kHttp;
  return Scheme::kUnknown;
}

// X-Forwarded-Proto may list one scheme a hop: the client's is as far from the end as its address is in
// X-Forwarded-For when both have an entry for every hop, else the nearest proxy's.
std::string_view scheme_of_hop(std::string_view list, size_t hops, size_t hops_behind_client) {
  size_t count = static_cast<size_t>(std::count(list.begin(), list.end(), ',')) + 1;
  size_t skip = count == hops ? hops_behind_client : 0;
  for (; skip > 0; --skip) list = list.substr(0, list.rfind(','));
  size_t comma = list.rfind(',');
  return base::trim_whitespace(comma == std::string_view::npos ? list : list.substr(comma + 1));
}

Scheme read_scheme(const message::Headers& headers, size_t hops, size_t hops_behind_client) {
  Scheme scheme = Scheme::kUnsaid;
  for (const message::HeaderField& field : headers) {
    std::string_view name = field.name;
    if (base::equals_ignoring_case(name, "X-Forwarded-Proto") ||
        base::equals_ignoring_case(name, "X-Forwarded-Protocol") ||
        base::equals_ignoring_case(name, "X-Forwarded-Scheme") || base::equals_ignoring_case(name, "X-Url-Scheme")) {
      scheme = merge(scheme, scheme_named(scheme_of_hop(field.value, hops, hops_behind_client)));
    } else if (base::equals_ignoring_case(name, "X-Forwarded-Ssl") ||
               base::equals_ignoring_case(name, "Front-End-Https")) {
      scheme = merge(scheme, scheme_switched(field.value));
    }
  }
  return scheme;
}

void apply_scheme(message::Request& request, Scheme scheme) {
  if (scheme != Scheme::kHttp && scheme != Scheme::kHttps) return;
  request.scheme = scheme == Scheme::kHttps ? "https" : "http";
  uint16_t standard = scheme == Scheme::kHttps ? 443 : 80;
  auto authority = message::parse_authority(request.authority);
  request.server_port = authority ? authority->port.value_or(standard) : standard;
  auto port = base::parse_decimal(request.headers.get("X-Forwarded-Port").value_or(""));
  if (port && *port > 0 && *port <= 65535) request.server_port = static_cast<uint16_t>(*port);
}

}  // namespace

bool is_forwarding_field(std::string_view name) {
  switch (base::ascii_lower(name.empty() ? ' ' : name.front())) {
    case 'x':
    case 'f':
    case 'v':
      return std::any_of(kForwardingFields.begin(), kForwardingFields.end(),
                         [&](std::string_view field) { return means(name, field); });
    default:
      return false;
  }
}

bool ForwardedFilter::trusts(const io::Address& peer) const {
  if (peer.is_unix) return trusted_.trusts_unix_peers();
  auto address = parse_ip_address(peer.host);
  return address && trusted_.trusts(*address);
}

const char* ForwardedFilter::filter(message::Request& request, const io::Address& peer, const io::Address& listener,
                                    std::string& storage) {
  bool any = std::any_of(request.headers.begin(), request.headers.end(),
                         [](const message::HeaderField& field) { return is_forwarding_field(field.name); });
  if (!any) return nullptr;
  const bool trusted = trusts(peer);
  const std::vector<std::string_view> unbelieved = unbelieved_fields(request.headers, trusted);
  if (hint_ && !trusted) hint_->look_at(unbelieved, peer, listener);
  if (unbelieved_ == Unbelieved::kHandedOn && !trusted) {
    request.has_unbelieved_forwarding = !unbelieved.empty();
  } else {
    for (std::string_view name : unbelieved) request.headers.remove_all(name);
  }
  return trusted ? believe(request, storage) : nullptr;
}

const char* ForwardedFilter::believe(message::Request& request, std::string& storage) const {
  auto hops = read_x_forwarded_for(request.headers);
  auto standard_hops = read_forwarded(request.headers);
  if (!hops) return "a malformed X-Forwarded-For, or one of more than 64 addresses";
  if (!standard_hops) return "a malformed Forwarded, or one of more than 64 hops";
  const ForwardedHop* client = find_client(*hops, trusted_);
  const ForwardedHop* standard_client = find_client(*standard_hops, trusted_);
  if (client && standard_client && client->parsed != standard_client->parsed) {
    return "X-Forwarded-For and Forwarded name different clients";
  }
  const size_t hops_behind_client = client ? static_cast<size_t>(&hops->back() - client) : 0;
  Scheme scheme = read_scheme(request.headers, hops->size(), hops_behind_client);
  // Where no client is named the nearest proxy still says how it was asked.
  const ForwardedHop* const nearest = standard_hops->empty() ? nullptr : &standard_hops->back();
  const ForwardedHop* const witness = standard_client ? standard_client : nearest;
  if (witness && !witness->scheme.empty()) scheme = merge(scheme, scheme_named(witness->scheme));
  if (scheme == Scheme::kUnknown) return "a forwarding field with a scheme that is neither http nor https";
  if (scheme == Scheme::kContradictory) return "the forwarding fields name different schemes";
  apply_scheme(request, scheme);
  const ForwardedHop* believed = client ? client : standard_client;
  if (!believed) return nullptr;
  storage.assign(believed->address);
  request.remote_address = storage;
  request.remote_port = believed->port == 0 && standard_client ? standard_client->port : believed->port;
  return nullptr;
}

}  // namespace cutwater::handler
