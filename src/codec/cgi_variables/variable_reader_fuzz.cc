// Variables of any bytes: what becomes a request has a path and fields that HTTP could have brought, and is the same
// again when it goes through the variables that we write.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "codec/cgi_variables/cgi_variables.h"
#include "codec/cgi_variables/variable_reader.h"
#include "message/grammar.h"

namespace {

using namespace cutwater;
using codec::Variables;

// Names and values, each ended by a byte that none of them holds; a few names are common.
Variables variables_of(std::string_view bytes) {
  constexpr std::string_view kNames[] = {"REQUEST_METHOD", "REQUEST_URI",    "SCRIPT_NAME", "PATH_INFO",
                                         "QUERY_STRING",   "CONTENT_LENGTH", "SERVER_NAME", "SERVER_PORT",
                                         "HTTP_HOST",      "HTTPS",          "REMOTE_ADDR", "HTTP_TRANSFER_ENCODING"};
  Variables variables;
  const auto next = [&bytes] {
    const std::string_view text = bytes.substr(0, bytes.find('\xff'));
    bytes.remove_prefix(std::min(bytes.size(), text.size() + 1));
    return text;
  };
  while (!bytes.empty()) {
    const std::string_view name = next();
    const auto common = name.size() == 1 ? static_cast<size_t>(name.front() - 'a') : std::size(kNames);
    variables.push_back({common < std::size(kNames) ? kNames[common] : name, next()});
  }
  return variables;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Variables given = variables_of({reinterpret_cast<const char*>(data), size});
  message::Request request;
  std::string storage;
  if (codec::read_variables(given, request, storage).status != 0) return 0;
  if (request.path != "*" && !request.path.starts_with('/')) std::abort();
  if (!message::is_token(request.method) || !message::is_field_value(request.raw_target)) std::abort();
  for (const message::HeaderField& field : request.headers) {
    if (!message::valid_field(field.name, field.value)) std::abort();
  }
  for (const message::HeaderField& field : request.variables) {
    if (!codec::is_extra_variable(field.name)) std::abort();
  }
  if (request.authority.empty()) return 0;
  Variables written;
  std::string storage_of_written;
  const bool has_length = request.framing == message::BodyFraming::kLength;
  codec::cgi_variables(request, codec::split_path(request.path, ""), request.raw_target,
                       has_length ? std::optional(request.content_length) : std::nullopt, written, storage_of_written);
  message::Request again;
  std::string storage_again;
  if (codec::read_variables(written, again, storage_again).status != 0) std::abort();
  // A port within SERVER_NAME, where none belongs, comes back as SERVER_PORT. An empty Host is as none.
  const bool has_host = !request.headers.get("Host").value_or("").empty();
  const bool same_server = has_host ? again.authority == request.authority : again.server_name == request.server_name;
  if (!same_server || again.method != request.method || again.path != request.path || again.query != request.query ||
      again.content_length != request.content_length)
    std::abort();
  return 0;
}
