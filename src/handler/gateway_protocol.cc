#include "handler/gateway_protocol.h"

#include "codec/fastcgi/request_encoder.h"
#include "codec/scgi/request_head.h"
#include "codec/uwsgi/packet.h"
#include "upstream/cgi_call.h"
#include "upstream/http_call.h"

namespace cutwater::handler {

namespace {

constexpr uint8_t kWsgiModifier = 0;
// SCGI could say more; its servers have buffers of 64 KiB, as for uwsgi (faults.md 112).
constexpr size_t kMostScgiVariables = 65535;  // bytes

// Without what makes a netstring of them.
size_t variables_in(const std::string& scgi_head) {
  return scgi_head.size() - scgi_head.find(':') - 2;
}

std::optional<uint64_t> length_of(const upstream::RequestBody& body) {
  if (body.framing() != message::BodyFraming::kLength) return std::nullopt;
  return body.length();
}

}  // namespace

std::string_view name_of(GatewayProtocol protocol) {
  switch (protocol) {
    case GatewayProtocol::kFastcgi:
      return "FastCGI";
    case GatewayProtocol::kScgi:
      return "SCGI";
    case GatewayProtocol::kUwsgi:
      return "uwsgi";
    case GatewayProtocol::kHttp:
      break;
  }
  return "HTTP";
}

bool takes_unknown_length(GatewayProtocol protocol) {
  return protocol == GatewayProtocol::kHttp;
}

bool keeps_connections(GatewayProtocol protocol) {
  return protocol == GatewayProtocol::kHttp || protocol == GatewayProtocol::kFastcgi;
}

std::optional<std::string> request_head(GatewayProtocol protocol, const GatewayRequest& request) {
  if (protocol == GatewayProtocol::kHttp) {
    return forwarded_head(request.exchange, request.body, {request.strip, request.instance, !request.keep});
  }
  const GatewayVariables variables(request.exchange.request, length_of(request.body),
                                   {request.strip, request.instance, request.script,
                                    request.role == codec::fastcgi::Role::kAuthorizer, request.file});
  return variables_head(protocol, variables.list(), length_of(request.body), request.role, request.keep);
}

std::optional<std::string> variables_head(GatewayProtocol protocol, const codec::Variables& variables,
                                          std::optional<uint64_t> content_length, codec::fastcgi::Role role,
                                          bool keep) {
  std::string head;
  bool fits = true;
  if (protocol == GatewayProtocol::kFastcgi) {
    codec::fastcgi::append_request(head, upstream::kFastcgiRequestId, role, keep, variables);
  } else if (protocol == GatewayProtocol::kScgi) {
    fits = codec::scgi::append_request_head(head, content_length.value_or(0), variables) &&
           variables_in(head) <= kMostScgiVariables;
  } else {
    fits = codec::uwsgi::append_packet(head, kWsgiModifier, 0, variables);
  }
  if (!fits) return std::nullopt;
  return head;
}

std::unique_ptr<upstream::Call> make_call(GatewayProtocol protocol, const CallPlace& place) {
  switch (protocol) {
    case GatewayProtocol::kFastcgi:
      return std::make_unique<upstream::FastcgiCall>(place.loop, place.stream, place.method, place.body, place.options,
                                                     place.errors, place.data);
    case GatewayProtocol::kScgi:
      return std::make_unique<upstream::CgiCall>(place.loop, place.stream, place.method, place.body, place.options);
    case GatewayProtocol::kUwsgi:
      return std::make_unique<upstream::HttpCall>(place.loop, place.stream, place.method, place.body, place.options);
    case GatewayProtocol::kHttp:
      break;
  }
  return std::make_unique<upstream::HttpCall>(place.loop, place.stream, place.method, place.body, place.options,
                                              place.offer);
}

}  // namespace cutwater::handler
