#include "handler/web_server_fields.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "base/text.h"

namespace cutwater::handler {

namespace {

bool begins_with(std::string_view name, std::string_view prefix) {
  return base::equals_ignoring_case(name.substr(0, prefix.size()), prefix);
}

bool is_for_web_servers(const message::HeaderField& field) {
  const std::string_view name = field.name;
  if (name.size() < 2 || base::ascii_lower(name.front()) != 'x') return false;
  return begins_with(name, "X-Accel-") || begins_with(name, "X-Sendfile") ||
         base::equals_ignoring_case(name, "X-Lighttpd-Send-File");
}

}  // namespace

void remove_web_server_fields(message::Headers& headers) {
  std::vector<std::string_view> removed;
  for (const message::HeaderField& field : headers) {
    if (is_for_web_servers(field)) removed.push_back(field.name);
  }
  for (std::string_view name : removed) headers.remove_all(name);
}

void hide_web_server_fields(const message::Exchange& exchange, message::Headers& headers) {
  if (std::none_of(headers.begin(), headers.end(), is_for_web_servers)) return;
  if (exchange.sender == nullptr || !exchange.sender->is_trusted_web_server()) remove_web_server_fields(headers);
}

}  // namespace cutwater::handler
