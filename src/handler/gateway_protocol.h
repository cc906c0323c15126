// What differs between the protocols that servers behind us speak: how a request is said, and which Call asks.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "handler/gateway_request.h"
#include "handler/gateway_variables.h"
#include "io/loop.h"
#include "io/stream.h"
#include "message/exchange.h"
#include "upstream/call.h"
#include "upstream/fastcgi_call.h"
#include "upstream/request_body.h"
#include "upstream/upgrade.h"

namespace cutwater::handler {

enum class GatewayProtocol : uint8_t { kHttp, kFastcgi, kScgi, kUwsgi };

// "HTTP", "FastCGI" ...
std::string_view name_of(GatewayProtocol protocol);
// Whether a body may be sent whose length is not known.
bool takes_unknown_length(GatewayProtocol protocol);
// Whether a connection may have another request.
bool keeps_connections(GatewayProtocol protocol);

struct GatewayRequest {
  const message::Exchange& exchange;
  const upstream::RequestBody& body;
  std::string_view strip;
  std::string_view instance;
  const Script* script;
  const FilteredFile* file;
  codec::fastcgi::Role role;
  bool keep;  // the connection is wanted again
};
// What goes before the body. nullopt: the protocol cannot carry so much (faults.md 112).
std::optional<std::string> request_head(GatewayProtocol protocol, const GatewayRequest& request);

// Likewise, of a request that is said in variables. `content_length`: as they have it.
std::optional<std::string> variables_head(GatewayProtocol protocol, const codec::Variables& variables,
                                          std::optional<uint64_t> content_length, codec::fastcgi::Role role, bool keep);

struct CallPlace {
  io::Loop& loop;
  io::Stream& stream;
  std::string_view method;
  upstream::RequestBody& body;
  const upstream::CallOptions& options;
  upstream::StderrSink& errors;
  upstream::UpgradeOffer offer = {};           // of what an HTTP server may switch to
  const upstream::UploadData* data = nullptr;  // by FastCGI
};
// What the place names outlives the call.
std::unique_ptr<upstream::Call> make_call(GatewayProtocol protocol, const CallPlace& place);

}  // namespace cutwater::handler
