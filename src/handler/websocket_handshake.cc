#include "handler/websocket_handshake.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/text.h"
#include "codec/websocket/handshake.h"
#include "message/grammar.h"

namespace cutwater::handler {

namespace {

using base::equals_ignoring_case;

constexpr std::string_view kProtocol = "websocket";
constexpr std::string_view kVersion = "13";

bool lists_websocket(std::string_view protocols) {
  while (!protocols.empty()) {
    if (equals_ignoring_case(message::next_list_element(protocols), kProtocol)) return true;
  }
  return false;
}

bool is_ours(std::string_view name) {
  constexpr std::array<std::string_view, 4> kOurs = {"Sec-WebSocket-Accept", "Sec-WebSocket-Extensions",
                                                     "Sec-WebSocket-Key", "Sec-WebSocket-Version"};
  return std::any_of(kOurs.begin(), kOurs.end(),
                     [name](std::string_view ours) { return equals_ignoring_case(name, ours); });
}

std::string extensions_of(const message::Request& request) {
  std::string extensions;
  for (const message::HeaderField& field : request.headers) {
    if (!equals_ignoring_case(field.name, "Sec-WebSocket-Extensions")) continue;
    if (!extensions.empty()) extensions += ", ";
    extensions += field.value;
  }
  return extensions;
}

}  // namespace

WebSocketOffer websocket_offer(const message::Request& request) {
  if (request.method != "GET" || !lists_websocket(request.upgrade)) return WebSocketOffer::kNone;
  if (request.headers.count("Sec-WebSocket-Version") != 1) return WebSocketOffer::kMalformed;
  if (request.headers.get("Sec-WebSocket-Version") != kVersion) return WebSocketOffer::kOtherVersion;
  const bool one_key = request.headers.count("Sec-WebSocket-Key") == 1 &&
                       codec::websocket::is_key(request.headers.get("Sec-WebSocket-Key").value_or(""));
  return one_key ? WebSocketOffer::kSound : WebSocketOffer::kMalformed;
}

namespace {

constexpr std::string_view kBehindScheme = "://";

bool matches(std::string_view origin, std::string_view pattern, std::string_view host) {
  const size_t scheme_end = origin.find(kBehindScheme);
  if (scheme_end == std::string_view::npos) return false;  // "null": a page without a site
  const std::string_view of_origin = origin.substr(scheme_end + kBehindScheme.size());
  if (of_origin.empty()) return false;
  if (pattern == "same") return equals_ignoring_case(of_origin, host);
  const size_t star = pattern.find("://*.");
  if (star == std::string_view::npos) return equals_ignoring_case(origin, pattern);
  const std::string_view ending = pattern.substr(star + kBehindScheme.size() + 1);  // ".example.com"
  return equals_ignoring_case(origin.substr(0, scheme_end), pattern.substr(0, star)) &&
         of_origin.size() > ending.size() &&
         equals_ignoring_case(of_origin.substr(of_origin.size() - ending.size()), ending);
}

}  // namespace

bool may_open_websocket(const message::Request& request, std::span<const std::string> origins) {
  if (origins.empty() || request.headers.count("Origin") == 0) return true;
  if (request.headers.count("Origin") != 1) return false;
  const std::string_view origin = request.headers.get("Origin").value_or("");
  return std::any_of(origins.begin(), origins.end(),
                     [&](const std::string& pattern) { return matches(origin, pattern, request.authority); });
}

message::Response other_version_answer() {
  message::Response response;
  response.status = 426;
  response.upgrade = kProtocol;
  response.content_length = 0;
  response.headers.add("Sec-WebSocket-Version", kVersion);
  return response;
}

message::Response accept_answer(const message::Request& request, const message::Response& accepted, bool compression,
                                AcceptStorage& storage, codec::websocket::CompressionOffer& chosen) {
  message::Response response;
  response.status = 101;
  response.upgrade = kProtocol;
  storage.accept = codec::websocket::accept_of(request.headers.get("Sec-WebSocket-Key").value_or(""));
  response.headers.add("Sec-WebSocket-Accept", storage.accept);
  if (compression) chosen = codec::websocket::negotiate_compression(extensions_of(request), storage.extensions);
  if (chosen.accepted()) response.headers.add("Sec-WebSocket-Extensions", chosen.response);
  for (const message::HeaderField& field : accepted.headers) {
    if (!is_ours(field.name)) response.headers.add(field.name, field.value);
  }
  return response;
}

}  // namespace cutwater::handler
