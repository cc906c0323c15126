#include "handler/gateway_variables.h"

#include <algorithm>
#include <array>

#include "handler/gateway_request.h"
#include "message/target.h"

namespace cutwater::handler {

namespace {

// Not so is what stands between the client and us, or is set here.
bool is_passed_on(std::string_view name) {
  constexpr std::string_view kOfField = "HTTP_";
  if (!name.starts_with(kOfField)) return true;
  const std::string_view field = name.substr(kOfField.size());
  return field != "EXPECT" && field != "CDN_LOOP" && !says_how_files_are_sent(field);
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
  // Clients of proxies ask with "http://host/path": these servers expect the path alone.
  std::string path_of_target;
  std::string_view target = request.raw_target;
  if (const auto parts = message::split_target(request.method, request.raw_target);
      parts && parts->form == message::TargetForm::kAbsolute) {
    path_of_target = parts->path;
    if (request.raw_target.find('?') != std::string_view::npos) path_of_target.append("?").append(parts->query);
    target = path_of_target;
  }
  const codec::SplitPath path = options.script ? codec::SplitPath{options.script->name, options.script->path_info}
                                               : codec::split_path(request.path, options.strip);
  add("GATEWAY_INTERFACE", "CGI/1.1");
  add("SERVER_SOFTWARE", "cutwater");
  add("REQUEST_SCHEME", request.scheme);
  without_paths_ = options.authorizer;
  codec::cgi_variables(request, path, target, content_length, *this);
  if (!options.instance.empty()) add("HTTP_CDN_LOOP", grown_list(request.headers, "CDN-Loop", options.instance));
  if (options.script) {
    add_script(*options.script);
  } else {
    add("DOCUMENT_URI", request.path);
  }
  if (options.file) {
    add("FCGI_DATA_LAST_MOD", std::to_string(options.file->modified_at));
    add("FCGI_DATA_LENGTH", std::to_string(options.file->size));
  }
  for (const message::HeaderField& field : request.variables) {
    if (is_for_others(field.name)) add(field.name, field.value);
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
  add("DOCUMENT_URI", script.name, script.path_info);
  add("DOCUMENT_ROOT", script.root);
  add("SCRIPT_FILENAME", script.root, script.file);
  if (!script.path_info.empty()) add("PATH_TRANSLATED", script.root, script.path_info);
  add("REDIRECT_STATUS", "200");  // php-cgi takes nothing without it
}

void GatewayVariables::variable(std::string_view name, std::string_view value) {
  if (without_paths_ && (name == "SCRIPT_NAME" || name == "PATH_INFO")) return;
  if (is_passed_on(name)) add(name, value);
}

void GatewayVariables::add(std::string_view name, std::string_view value, std::string_view more) {
  bytes_ += name;
  bytes_ += value;
  bytes_ += more;
  sizes_.emplace_back(name.size(), value.size() + more.size());
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
