#include "handler/gateway_variables.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "handler/gateway_request.h"
#include "message/target.h"

namespace cutwater::handler {

namespace {

constexpr std::string_view kLoop = "CDN-Loop";

// Between the client and us, or set here.
bool is_passed_on(std::string_view name) {
  return !base::equals_ignoring_case(name, "Expect") && !base::equals_ignoring_case(name, kLoop) &&
         !says_how_files_are_sent(name);
}

// What a web server in front or an authorizer says of the client; not what is set here, or tells such a server what to
// run and how.
bool is_for_others(std::string_view name) {
  constexpr std::array<std::string_view, 7> kOurs = {"GATEWAY_INTERFACE",    "DOCUMENT_URI",    "DOCUMENT_ROOT",
                                                     "SCRIPT_FILENAME",      "PATH_TRANSLATED", "REDIRECT_STATUS",
                                                     "CONTEXT_DOCUMENT_ROOT"};
  for (std::string_view prefix : {"PHP_", "UWSGI_", "FCGI_"}) {
    if (name.starts_with(prefix)) return false;
  }
  return std::find(kOurs.begin(), kOurs.end(), name) == kOurs.end();
}

}  // namespace

GatewayVariables::GatewayVariables(const message::Request& request, std::optional<uint64_t> content_length,
                                   const VariableOptions& options) {
  make_room(request);
  const std::string loop = grown_list(request.headers, kLoop, options.instance);
  message::Request seen = request;
  seen.headers.clear();
  for (const message::HeaderField& field : request.headers) {
    if (is_passed_on(field.name)) seen.headers.add(field.name, field.value);
  }
  if (!options.instance.empty()) seen.headers.add(kLoop, loop);
  // Clients of proxies ask with "http://host/path": these servers expect the path alone.
  std::string target;
  if (const auto parts = message::split_target(request.method, request.raw_target);
      parts && parts->form == message::TargetForm::kAbsolute) {
    target = parts->path;
    if (request.raw_target.find('?') != std::string_view::npos) target.append("?").append(parts->query);
    seen.raw_target = target;
  }
  std::string path;
  std::string_view script_name = options.strip;
  if (options.script) {
    path = options.script->name + options.script->path_info;
    seen.path = path;
    script_name = options.script->name;
  }
  variable("GATEWAY_INTERFACE", "CGI/1.1");
  variable("SERVER_SOFTWARE", "cutwater");
  variable("REQUEST_SCHEME", request.scheme);
  without_paths_ = options.authorizer;
  codec::cgi_variables(seen, script_name, content_length, *this);
  variable("DOCUMENT_URI", seen.path);
  if (options.script) add_script(*options.script);
  if (options.file) {
    variable("FCGI_DATA_LAST_MOD", std::to_string(options.file->modified_at));
    variable("FCGI_DATA_LENGTH", std::to_string(options.file->size));
  }
  for (const message::HeaderField& field : request.variables) {
    if (is_for_others(field.name)) variable(field.name, field.value);
  }
  make_list();
}

// For what nearly every request needs.
void GatewayVariables::make_room(const message::Request& request) {
  constexpr size_t kOurNumber = 24;
  constexpr size_t kOurBytes = 700;
  constexpr size_t kPrefix = 5;  // HTTP_
  size_t length = kOurBytes + 2 * request.path.size() + request.raw_target.size();
  for (const message::HeaderField& field : request.headers) length += kPrefix + field.name.size() + field.value.size();
  bytes_.reserve(length);
  sizes_.reserve(kOurNumber + request.headers.size() + request.variables.size());
}

void GatewayVariables::add_script(const Script& script) {
  variable("DOCUMENT_ROOT", script.root);
  variable("SCRIPT_FILENAME", script.root + script.file);
  if (!script.path_info.empty()) variable("PATH_TRANSLATED", script.root + script.path_info);
  variable("REDIRECT_STATUS", "200");  // php-cgi takes nothing without it
}

void GatewayVariables::variable(std::string_view name, std::string_view value) {
  if (without_paths_ && (name == "SCRIPT_NAME" || name == "PATH_INFO")) return;
  bytes_ += name;
  bytes_ += value;
  sizes_.emplace_back(name.size(), value.size());
}

void GatewayVariables::make_list() {
  std::string_view rest = bytes_;
  list_.reserve(sizes_.size());
  for (const auto& [name, value] : sizes_) {
    list_.push_back({rest.substr(0, name), rest.substr(name, value)});
    rest.remove_prefix(name + value);
  }
}

}  // namespace cutwater::handler
