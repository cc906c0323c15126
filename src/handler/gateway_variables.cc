#include "handler/gateway_variables.h"

#include <algorithm>
#include <array>

#include "handler/forwarded.h"
#include "handler/gateway_request.h"
#include "message/target.h"

namespace cutwater::handler {

namespace {

constexpr std::string_view kOfField = "HTTP_";

// What stands between the client and us, or is set here; of an authorizer's request also what is a responder's.
bool is_left_out(std::string_view name, bool authorizer) {
  if (!name.starts_with(kOfField)) return authorizer && (name == "SCRIPT_NAME" || name == "PATH_INFO");
  const std::string_view field = name.substr(kOfField.size());
  return field == "EXPECT" || field == "CDN_LOOP" || says_how_files_are_sent(field);
}

// Texts one behind the other, in memory that is taken once.
class Row {
 public:
  Row(std::string& memory, size_t most) : memory_(memory) { memory_.reserve(most); }

  std::string_view put(std::string_view text, std::string_view more = {}) {
    const size_t begin = memory_.size();
    memory_ += text;
    memory_ += more;
    return std::string_view(memory_).substr(begin);
  }

 private:
  std::string& memory_;
};

}  // namespace

bool is_for_gateways(std::string_view name) {
  constexpr std::array<std::string_view, 7> kOurs = {"GATEWAY_INTERFACE",    "DOCUMENT_URI",    "DOCUMENT_ROOT",
                                                     "SCRIPT_FILENAME",      "PATH_TRANSLATED", "REDIRECT_STATUS",
                                                     "CONTEXT_DOCUMENT_ROOT"};
  for (std::string_view prefix : {"PHP_", "UWSGI_", "FCGI_"}) {
    if (name.starts_with(prefix)) return false;
  }
  return std::find(kOurs.begin(), kOurs.end(), name) == kOurs.end();
}

GatewayVariables::GatewayVariables(const message::Request& request, std::optional<uint64_t> content_length,
                                   const VariableOptions& options) {
  constexpr size_t kOurNumber = 24;
  list_.reserve(kOurNumber + request.headers.size() + request.variables.size());
  add_request(request, content_length, options);
  add("GATEWAY_INTERFACE", "CGI/1.1");
  add("SERVER_SOFTWARE", "cutwater");
  add("REQUEST_SCHEME", request.scheme);
  if (!options.instance.empty()) {
    cdn_loop_ = grown_list(request.headers, "CDN-Loop", options.instance);
    add("HTTP_CDN_LOOP", cdn_loop_);
  }
  if (options.script) {
    add_script(*options.script);
  } else {
    add("DOCUMENT_URI", request.path);
  }
  if (options.file) add_file(*options.file);
  for (const message::HeaderField& field : request.variables) {
    if (is_for_gateways(field.name)) add(field.name, field.value);
  }
}

void GatewayVariables::add_request(const message::Request& request, std::optional<uint64_t> content_length,
                                   const VariableOptions& options) {
  // Clients of proxies ask with "http://host/path": these servers expect the path alone.
  std::string_view target = request.raw_target;
  if (!target.starts_with('/')) {
    const auto parts = message::split_target(request.method, target);
    if (parts && parts->form == message::TargetForm::kAbsolute) {
      target_ = parts->path;
      if (target.find('?') != std::string_view::npos) target_.append("?").append(parts->query);
      target = target_;
    }
  }
  const codec::SplitPath path =
      options.script ? codec::SplitPath{options.script->name, options.script->path_info}
                     : codec::split_path(request.path, options.strip.empty() ? request.script_name : options.strip);
  codec::cgi_variables(request, path, target, content_length, list_, of_request_);
  // An authorizer may decide by who the client is.
  const bool without_forwarding = options.authorizer && request.has_unbelieved_forwarding;
  std::erase_if(list_, [authorizer = options.authorizer, without_forwarding](const codec::Variable& variable) {
    const bool is_unbelieved = without_forwarding && variable.name.starts_with(kOfField) &&
                               is_forwarding_field(variable.name.substr(kOfField.size()));
    return is_unbelieved || is_left_out(variable.name, authorizer);
  });
}

void GatewayVariables::add_script(const Script& script) {
  Row row(of_script_, script.name.size() + script.file.size() + 2 * (script.root.size() + script.path_info.size()));
  add("DOCUMENT_URI", row.put(script.name, script.path_info));
  add("DOCUMENT_ROOT", script.root);
  add("SCRIPT_FILENAME", row.put(script.root, script.file));
  if (!script.path_info.empty()) add("PATH_TRANSLATED", row.put(script.root, script.path_info));
  add("REDIRECT_STATUS", "200");  // php-cgi takes nothing without it
}

void GatewayVariables::add_file(const FilteredFile& file) {
  const std::string modified_at = std::to_string(file.modified_at);
  const std::string size = std::to_string(file.size);
  Row row(of_file_, modified_at.size() + size.size());
  add("FCGI_DATA_LAST_MOD", row.put(modified_at));
  add("FCGI_DATA_LENGTH", row.put(size));
}

}  // namespace cutwater::handler
