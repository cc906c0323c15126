// Which offer of permessage-deflate is taken (RFC 7692 section 7.1).
#include <optional>

#include "base/text.h"
#include "codec/websocket/compression.h"

namespace cutwater::codec::websocket {

namespace {

using base::equals_ignoring_case;
using base::trim_whitespace;

// Up to `separator` outside of quotes, which goes too.
std::string_view take_until(std::string_view& rest, char separator) {
  bool quoted = false;
  size_t end = 0;
  for (; end < rest.size(); ++end) {
    if (rest[end] == '"') quoted = !quoted;
    if (rest[end] == separator && !quoted) break;
  }
  const std::string_view part = trim_whitespace(rest.substr(0, end));
  rest.remove_prefix(std::min(rest.size(), end + 1));
  return part;
}

std::string_view unquoted(std::string_view value) {
  if (value.size() >= 2 && value.front() == '"' && value.back() == '"') return value.substr(1, value.size() - 2);
  return value;
}

std::optional<int> window_bits(std::string_view value) {
  const auto bits = base::parse_decimal(value);
  if (!bits || *bits < 8 || *bits > 15 || value.front() == '0') return std::nullopt;
  return static_cast<int>(*bits);
}

struct Parameters {
  bool server_no_takeover = false;
  bool client_no_takeover = false;
  std::optional<int> server_bits;
  bool client_bits = false;
};

bool take_flag(bool& flag, bool has_value) {
  if (flag || has_value) return false;
  return flag = true;
}

bool take_parameter(std::string_view parameter, Parameters& taken) {
  const size_t equals = parameter.find('=');
  const bool has_value = equals != std::string_view::npos;
  const std::string_view name = trim_whitespace(parameter.substr(0, equals));
  const std::string_view value = has_value ? unquoted(trim_whitespace(parameter.substr(equals + 1))) : "";
  if (equals_ignoring_case(name, "server_no_context_takeover")) return take_flag(taken.server_no_takeover, has_value);
  if (equals_ignoring_case(name, "client_no_context_takeover")) return take_flag(taken.client_no_takeover, has_value);
  if (equals_ignoring_case(name, "client_max_window_bits")) {
    return take_flag(taken.client_bits, false) && (!has_value || window_bits(value));
  }
  if (!equals_ignoring_case(name, "server_max_window_bits") || taken.server_bits) return false;
  taken.server_bits = window_bits(value);
  return taken.server_bits.has_value();
}

}  // namespace

// Windows of the client's are as large as it likes. zlib has no window of 8 bits to write with.
CompressionOffer negotiate_compression(std::string_view extensions, std::string& storage) {
  while (!extensions.empty()) {
    std::string_view offer = take_until(extensions, ',');
    if (!equals_ignoring_case(take_until(offer, ';'), "permessage-deflate")) continue;
    Parameters parameters;
    bool sound = true;
    while (sound && !offer.empty()) sound = take_parameter(take_until(offer, ';'), parameters);
    if (!sound || parameters.server_bits == 8) continue;
    storage = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    if (parameters.server_bits) storage += "; server_max_window_bits=" + std::to_string(*parameters.server_bits);
    return {storage, parameters.server_bits.value_or(15)};
  }
  return {};
}

}  // namespace cutwater::codec::websocket
