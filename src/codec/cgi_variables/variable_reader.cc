#include "codec/cgi_variables/variable_reader.h"

#include <algorithm>
#include <optional>

#include "base/text.h"
#include "codec/cgi_variables/known_variables.h"
#include "message/authority.h"
#include "message/grammar.h"
#include "message/target.h"

namespace cutwater::codec {
namespace {

constexpr std::string_view kHeaderPrefix = "HTTP_";
constexpr KnownVariable kOnce[] = {KnownVariable::kHost, KnownVariable::kAuthorization, KnownVariable::kWebSocketKey};

// No dot: "wsgi.input" is not a web server's to say.
bool is_name(std::string_view variable) {
  const auto plain = [](char c) {
    return c == '_' || (c >= '0' && c <= '9') || (base::ascii_lower(c) >= 'a' && base::ascii_lower(c) <= 'z');
  };
  return !variable.empty() && std::all_of(variable.begin(), variable.end(), plain);
}

// In a path that the web server has decoded nothing tells it from any other.
bool has_encoded_slash(std::string_view path) {
  return path.find("%2F") != std::string_view::npos || path.find("%2f") != std::string_view::npos;
}

bool is_on(std::string_view value) {
  return !value.empty() && value != "0" && !base::equals_ignoring_case(value, "off");
}

class VariableReader {
 public:
  VariableReader(const Variables& variables, message::Request& request, std::string& storage)
      : variables_(variables), request_(request), storage_(storage) {
    for (const Variable& variable : variables) known_.note(variable);
  }

  VariablesResult read() {
    for (auto step : {&VariableReader::read_line, &VariableReader::read_path, &VariableReader::read_headers,
                      &VariableReader::read_body, &VariableReader::read_authority, &VariableReader::read_addresses,
                      &VariableReader::read_others}) {
      if (VariablesResult result = (this->*step)(); result.status != 0) return result;
    }
    return {};
  }

 private:
  VariablesResult read_line();
  VariablesResult read_path();
  VariablesResult read_headers();
  VariablesResult read_body();
  VariablesResult read_coding();
  VariablesResult read_authority();
  VariablesResult read_addresses();
  VariablesResult read_others();
  void make_target();
  std::string_view script_name_before(std::string_view path_info, std::string_view asked) const;
  static bool is_decoded_from(std::string_view path, std::string_view asked);
  bool asked_below_script_name(std::string_view asked) const;
  void read_script_name(std::string_view asked);

  // By a web server's usual parameters of FastCGI; one of us says what it means.
  bool is_usual_fastcgi() const {
    const auto is_role = [](const Variable& variable) { return variable.name == "FCGI_ROLE"; };
    return !get(KnownVariable::kServerSoftware).starts_with("cutwater") &&
           std::any_of(variables_.begin(), variables_.end(), is_role);
  }
  bool is_lighttpd() const { return get(KnownVariable::kServerSoftware).starts_with("lighttpd"); }
  bool is_apache() const { return get(KnownVariable::kServerSoftware).starts_with("Apache"); }
  // Without the slashes at its end.
  std::string_view mount() const {
    std::string_view script_name = get(KnownVariable::kScriptName);
    while (script_name.ends_with('/')) script_name.remove_suffix(1);
    return script_name;
  }

  std::string_view get(KnownVariable which) const { return known_.last(which); }
  std::string_view stored_since(size_t start) const { return std::string_view(storage_).substr(start); }

  const Variables& variables_;
  KnownVariables known_;
  message::Request& request_;
  std::string& storage_;  // never grows beyond what was reserved: views into it must not move
};

VariablesResult VariableReader::read_line() {
  request_.method = get(KnownVariable::kRequestMethod);
  if (!message::is_token(request_.method)) return {400, "REQUEST_METHOD is no token"};
  if (request_.method == "TRACE" || request_.method == "CONNECT") return {405, "TRACE and CONNECT are not allowed"};
  request_.version_minor = get(KnownVariable::kServerProtocol) == "HTTP/1.0" ? 0 : 1;
  request_.scheme =
      is_on(get(KnownVariable::kHttps)) || get(KnownVariable::kRequestScheme) == "https" ? "https" : "http";
  return {};
}

// What of SCRIPT_NAME stands before PATH_INFO in the path. With nginx's usual parameters and one line more both begin
// alike, where the client has asked for the second alone; so it has where lighttpd rewrote the path to that of a socket
// (url.rewrite-once to "/shop.fcgi$1"), whose name is nobody's.
std::string_view VariableReader::script_name_before(std::string_view path_info, std::string_view asked) const {
  const std::string_view script_name = get(KnownVariable::kScriptName);
  const bool may_be_more = !script_name.empty() && (is_lighttpd() || message::path_has_prefix(path_info, script_name));
  return may_be_more && is_decoded_from(path_info, asked) ? std::string_view() : script_name;
}

bool VariableReader::is_decoded_from(std::string_view path, std::string_view asked) {
  std::string decoded;
  return asked.starts_with('/') && message::decode_path(asked, decoded).error == nullptr && decoded == path;
}

// Whether SCRIPT_NAME names where the application is, and what the client asked for goes on behind it. nginx's
// scgi_params name neither it nor PATH_INFO: who adds the first alone means that.
bool VariableReader::asked_below_script_name(std::string_view asked) const {
  std::string decoded;
  if (mount().empty() || !asked.starts_with('/') || message::decode_path(asked, decoded).error != nullptr) return false;
  return message::path_has_prefix(decoded, mount()) && decoded.size() > get(KnownVariable::kScriptName).size();
}

// SCRIPT_NAME is how some name the whole path, beside no PATH_INFO or an empty one: then the application does not begin
// behind it. The usual parameters of FastCGI do that, and Apache's SCGI; else the client has asked for the very place
// of the application. lighttpd splits what it passes on for "/" behind the first segment, whatever that is: its word
// says nothing.
void VariableReader::read_script_name(std::string_view asked) {
  if (is_lighttpd() || mount().empty() || !message::path_has_prefix(request_.path, mount())) return;
  const std::string_view whole = get(KnownVariable::kPathInfo).empty() ? get(KnownVariable::kScriptName) : mount();
  const bool goes_on = whole.size() < request_.path.size();
  const bool may_be_whole = is_usual_fastcgi() || (is_apache() && get(KnownVariable::kPathInfo).empty());
  if (!goes_on && (may_be_whole || !is_decoded_from(request_.path, asked))) return;
  request_.script_name = request_.path.substr(0, mount().size());
}

// The decoded path goes through the one place that decodes: its own '%' are encoded for that.
VariablesResult VariableReader::read_path() {
  const std::string_view path_info = get(KnownVariable::kPathInfo);
  const auto target = message::split_target(request_.method, get(KnownVariable::kRequestUri));
  // What is of no use in it, such as the server of an absolute form, goes on to others all the same.
  if (target && !message::is_field_value(get(KnownVariable::kRequestUri))) return {400, "control byte in REQUEST_URI"};
  const std::string_view asked = target ? target->path : std::string_view();
  std::string_view script_name = script_name_before(path_info, asked);
  if (path_info.empty() && asked_below_script_name(asked)) script_name = {};
  std::string encoded;
  for (std::string_view part : {script_name, path_info}) {
    for (size_t percent = part.find('%'); percent != std::string_view::npos; percent = part.find('%')) {
      encoded.append(part.substr(0, percent)).append("%25");
      part.remove_prefix(percent + 1);
    }
    encoded += part;
  }
  if (encoded.empty()) encoded = asked;
  if (encoded.empty()) return {400, "neither PATH_INFO nor REQUEST_URI"};
  if (encoded != "*") {
    if (encoded.front() != '/') return {400, "a path that does not begin with a slash"};
    const size_t start = storage_.size();
    const message::DecodedPath decoded = message::decode_path(encoded, storage_);
    if (decoded.error != nullptr) return {400, decoded.error};
    request_.path = stored_since(start);
    request_.path_had_encoded_slash = decoded.had_encoded_slash || (target && has_encoded_slash(target->path));
    read_script_name(asked);
  } else if (request_.method == "OPTIONS") {
    request_.path = "*";
  } else {
    return {400, "\"*\" is a target of OPTIONS alone"};
  }
  request_.query = get(KnownVariable::kQueryString);
  if (request_.query.empty() && target) request_.query = target->query;
  if (!message::is_field_value(request_.query)) return {400, "control byte in QUERY_STRING"};
  if (target)
    request_.raw_target = get(KnownVariable::kRequestUri);
  else
    make_target();
  return {};
}

// REQUEST_URI as a client would have sent it.
void VariableReader::make_target() {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  constexpr std::string_view kPlain = "-._~!$&'()*+,;=:@/";
  const size_t start = storage_.size();
  for (char c : request_.path) {
    const bool alphanumeric = (c >= '0' && c <= '9') || (base::ascii_lower(c) >= 'a' && base::ascii_lower(c) <= 'z');
    if (alphanumeric || kPlain.find(c) != std::string_view::npos) {
      storage_ += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      storage_ += '%';
      storage_ += kDigits.at(byte >> 4);
      storage_ += kDigits.at(byte & 0xf);
    }
  }
  if (!request_.query.empty()) storage_ += '?';
  storage_ += request_.query;
  request_.raw_target = stored_since(start);
}

// HTTP_USER_AGENT is User-Agent again. A name that comes twice is a field that came twice: nginx before 1.23 sends them
// so, and only those that HTTP allows once are refused (faults.md 23, 40).
VariablesResult VariableReader::read_headers() {
  for (const KnownVariable which : kOnce) {
    if (known_.count(which) > 1) return {400, "an HTTP_ variable twice that is one field's"};
  }
  for (const Variable& variable : variables_) {
    if (!variable.name.starts_with(kHeaderPrefix) || is_left_out(known_variable(variable.name))) continue;
    const size_t start = storage_.size();
    bool begins = true;
    for (char c : variable.name.substr(kHeaderPrefix.size())) {
      const bool letter = c >= 'A' && c <= 'Z';
      if (!letter && c != '_' && !(c >= '0' && c <= '9')) return {400, "malformed name of an HTTP_ variable"};
      storage_ += c == '_' ? '-' : begins ? c : base::ascii_lower(c);
      begins = c == '_';
    }
    const std::string_view value = base::trim_whitespace(variable.value);
    if (stored_since(start).empty() || !message::is_field_value(value)) return {400, "malformed HTTP_ variable"};
    request_.headers.add(stored_since(start), value);
  }
  const std::string_view type = get(KnownVariable::kContentType);
  if (!message::is_field_value(type)) return {400, "control byte in CONTENT_TYPE"};
  if (!type.empty()) request_.headers.add("Content-Type", type);
  return {};
}

VariablesResult VariableReader::read_body() {
  const std::string_view text = get(KnownVariable::kContentLength);
  const std::string_view field = get(KnownVariable::kHttpContentLength);
  if (!field.empty() && field != text) return {400, "HTTP_CONTENT_LENGTH is not CONTENT_LENGTH"};
  for (const Variable& variable : variables_) {
    if (variable.value != text && known_variable(variable.name) == KnownVariable::kContentLength)
      return {400, "CONTENT_LENGTH twice"};
  }
  if (text.empty()) return read_coding();
  const std::optional<uint64_t> length = base::parse_decimal(text);
  if (!length) return {400, "malformed CONTENT_LENGTH"};
  request_.framing = message::BodyFraming::kLength;
  request_.content_length = *length;
  request_.headers.add("Content-Length", text);
  return {};
}

// A web server that has taken the chunks off and does not wait for the last one knows no length.
VariablesResult VariableReader::read_coding() {
  const std::string_view coding = base::trim_whitespace(get(KnownVariable::kTransferEncoding));
  if (coding.empty()) return {};
  if (!base::equals_ignoring_case(coding, "chunked")) return {501, "a transfer coding other than chunked"};
  request_.framing = message::BodyFraming::kChunked;
  return {};
}

// SERVER_NAME may well be no name: nginx's is what server_name says first, "", "_" or a pattern.
VariablesResult VariableReader::read_authority() {
  const size_t start = storage_.size();
  const std::string_view host = get(KnownVariable::kHost);
  const std::string_view port = get(KnownVariable::kServerPort);
  const std::optional<uint64_t> number = base::parse_decimal(port);
  if (!port.empty() && (!number || *number > 65535)) return {400, "malformed SERVER_PORT"};
  for (char c : host.empty() ? get(KnownVariable::kServerName) : host) storage_ += base::ascii_lower(c);
  const auto authority = message::parse_authority(stored_since(start));
  request_.server_port = static_cast<uint16_t>(number.value_or(0));
  if (authority) {
    request_.authority = authority->text;
    request_.server_name = authority->host;
    request_.server_port = authority->port.value_or(request_.server_port);
  } else if (!host.empty()) {
    return {400, "malformed HTTP_HOST"};
  }
  if (request_.server_port == 0) request_.server_port = request_.scheme == "https" ? 443 : 80;
  return {};
}

VariablesResult VariableReader::read_addresses() {
  request_.remote_address = get(KnownVariable::kRemoteAddr);
  if (!message::is_field_value(request_.remote_address)) return {400, "control byte in REMOTE_ADDR"};
  const std::optional<uint64_t> port = base::parse_decimal(get(KnownVariable::kRemotePort));
  request_.remote_port = static_cast<uint16_t>(port && *port <= 65535 ? *port : 0);
  return {};
}

// For the app: what an administrator has the web server say. No name can be one that the environ has from elsewhere.
VariablesResult VariableReader::read_others() {
  for (const Variable& variable : variables_) {
    if (!is_extra_variable(variable.name)) continue;
    if (variable.value.find('\0') == std::string_view::npos) request_.variables.add(variable.name, variable.value);
  }
  return {};
}

}  // namespace

bool is_extra_variable(std::string_view name) {
  return known_variable(name) == KnownVariable::kOther && !name.starts_with(kHeaderPrefix) && is_name(name);
}

VariablesResult read_variables(const Variables& variables, message::Request& request, std::string& storage) {
  size_t bytes = 0;
  for (const Variable& variable : variables) bytes += variable.name.size() + variable.value.size();
  storage.clear();
  // Every name once, the path decoded and encoded anew (up to three for one), the query, the authority.
  storage.reserve(6 * bytes + 16);
  request.clear();
  return VariableReader(variables, request, storage).read();
}

}  // namespace cutwater::codec
