#include "handler/web_server_fields.h"

#include <fmt/format.h>

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

void remove_web_server_fields(const message::Request& request, message::Headers& headers, FileNameHint* hint) {
  if (std::none_of(headers.begin(), headers.end(), is_for_web_servers)) return;
  if (hint) hint->look_at(request, headers);
  remove_web_server_fields(headers);
}

void hide_web_server_fields(const message::Exchange& exchange, message::Headers& headers, FileNameHint* hint) {
  if (std::none_of(headers.begin(), headers.end(), is_for_web_servers)) return;
  if (exchange.sender && exchange.sender->is_trusted_web_server()) return;
  remove_web_server_fields(exchange.request, headers, hint);
}

void FileNameHint::look_at(const message::Request& request, const message::Headers& headers) {
  if (said_) return;
  for (std::string_view name : {"X-Accel-Redirect", "X-Sendfile", "X-Lighttpd-Send-File"}) {
    const auto file = headers.get(name);
    if (!file) continue;
    said_ = true;
    log_.warning(
        "CW0516",
        fmt::format("{}: the answer to {} {} names a file, {}: {}, but {} has no `sendfile`; the client got the "
                    "answer without it (said once)\n"
                    "fix: sendfile = {{ \"/protected/\" = \"/srv/media\" }}, with the folder of such files",
                    who_, request.method, request.path, name, *file, where_));
    return;
  }
}

}  // namespace cutwater::handler
