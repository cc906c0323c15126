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
constexpr std::string_view kAnyName = "_";  // nginx's server_name of who takes all
constexpr KnownVariable kOnce[] = {KnownVariable::kHost, KnownVariable::kAuthorization, KnownVariable::kWebSocketKey};

// No dot: "wsgi.input" is not a web server's to say.
bool is_name(std::string_view variable) {
  const auto plain = [](char c) {
    return c == '_' || c == '-' || (c >= '0' && c <= '9') ||
           (base::ascii_lower(c) >= 'a' && base::ascii_lower(c) <= 'z');
  };
  return !variable.empty() && std::all_of(variable.begin(), variable.end(), plain);
}

// Behind HTTP_. Any other byte would let two variables become one field.
bool is_name_of_field(std::string_view variable) {
  return std::all_of(variable.begin(), variable.end(),
                     [](char c) { return c == '_' || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); });
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
    request_.plain_answer = true;
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
  // Lower case, in storage_.
  std::optional<message::Authority> authority_of(std::string_view text);
  VariablesResult read_addresses();
  VariablesResult read_others();
  bool says_https() const;
  void make_target();
  struct Parts {
    std::string_view script_name = {};
    std::string_view path_info = {};
  };
  Parts parts_of_path(std::string_view asked) const;
  bool goes_on_below_script_name(std::string_view path) const;
  bool has_index_behind_path() const;
  std::string_view script_name_before(std::string_view path_info, std::string_view asked) const;
  static bool is_decoded_from(std::string_view path, std::string_view asked);
  bool asked_below_script_name(std::string_view asked) const;
  void read_script_name(std::string_view asked);
  std::string_view store_name_of_field(std::string_view variable);

  // By a web server's usual parameters of FastCGI; one of us says what it means.
  bool is_usual_fastcgi() const {
    const auto is_role = [](const Variable& variable) { return variable.name == "FCGI_ROLE"; };
    return !get(KnownVariable::kServerSoftware).starts_with("cutwater") &&
           std::any_of(variables_.begin(), variables_.end(), is_role);
  }
  bool is_lighttpd() const { return get(KnownVariable::kServerSoftware).starts_with("lighttpd"); }
  bool is_apache() const { return get(KnownVariable::kServerSoftware).starts_with("Apache"); }
  bool is_nginx() const { return get(KnownVariable::kServerSoftware).starts_with("nginx"); }
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
  request_.scheme = says_https() ? "https" : "http";
  return {};
}

// Any of three ways will do: nginx's parameters have the first two, users of uWSGI are told to write the third.
bool VariableReader::says_https() const {
  return is_on(get(KnownVariable::kHttps)) || get(KnownVariable::kRequestScheme) == "https" ||
         get(KnownVariable::kUwsgiScheme) == "https";
}

// What the path is made of; of neither where REQUEST_URI says it. nginx's scgi_params tell of a path that it has
// rewritten by DOCUMENT_URI alone (Apache's is that of the page that includes this one).
VariableReader::Parts VariableReader::parts_of_path(std::string_view asked) const {
  const std::string_view path_info = get(KnownVariable::kPathInfo);
  const std::string_view document = is_apache() ? std::string_view() : get(KnownVariable::kDocumentUri);
  if (path_info.empty() && goes_on_below_script_name(document)) return {{}, document};
  if (has_index_behind_path()) return {{}, document};
  if (path_info.empty() && asked_below_script_name(asked)) return {};
  return {script_name_before(path_info, asked), path_info};
}

bool VariableReader::goes_on_below_script_name(std::string_view path) const {
  return path.starts_with('/') && message::path_has_prefix(path, mount()) &&
         path.size() > get(KnownVariable::kScriptName).size();
}

// nginx's fastcgi_index, for PHP: it stands behind a path that ends with a slash, in $fastcgi_script_name alone. Who
// adds a SCRIPT_NAME to nginx's parameters has it said a second time, and means it.
bool VariableReader::has_index_behind_path() const {
  const std::string_view path = get(KnownVariable::kDocumentUri);
  const std::string_view path_info = get(KnownVariable::kPathInfo);
  std::string_view index = get(KnownVariable::kScriptName);
  if (!path.starts_with('/') || !path.ends_with('/') || !index.starts_with(path)) return false;
  if (!path_info.empty() && path_info != index) return false;
  if (!is_nginx() || !is_usual_fastcgi() || known_.count(KnownVariable::kScriptName) != 1) return false;
  index.remove_prefix(path.size());
  return !index.empty() && index.find('/') == std::string_view::npos;
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
  return goes_on_below_script_name(decoded);
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
  const auto target = message::split_target(request_.method, get(KnownVariable::kRequestUri));
  // What is of no use in it, such as the server of an absolute form, goes on to others all the same.
  if (target && !message::is_field_value(get(KnownVariable::kRequestUri))) return {400, "control byte in REQUEST_URI"};
  const std::string_view asked = target ? target->path : std::string_view();
  const Parts parts = parts_of_path(asked);
  std::string encoded;
  for (std::string_view part : {parts.script_name, parts.path_info}) {
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

std::string_view VariableReader::store_name_of_field(std::string_view variable) {
  const size_t start = storage_.size();
  bool begins = true;
  for (char c : variable) {
    storage_ += c == '_' ? '-' : begins ? c : base::ascii_lower(c);
    begins = c == '_';
  }
  return stored_since(start);
}

// HTTP_USER_AGENT is User-Agent again; X.Foo, which a web server may let pass, has no variable by HTTP either. A name
// that comes twice is a field that came twice: nginx before 1.23 sends them so, and only those that HTTP allows once
// are refused (faults.md 23, 40).
VariablesResult VariableReader::read_headers() {
  for (const KnownVariable which : kOnce) {
    if (known_.count(which) > 1) return {400, "an HTTP_ variable twice that is one field's"};
  }
  for (const Variable& variable : variables_) {
    if (!variable.name.starts_with(kHeaderPrefix) || is_left_out(known_variable(variable.name))) continue;
    const std::string_view name = variable.name.substr(kHeaderPrefix.size());
    const std::string_view value = base::trim_whitespace(variable.value);
    if (!message::valid_field(name, value)) return {400, "malformed HTTP_ variable"};
    if (is_name_of_field(name)) request_.headers.add(store_name_of_field(name), value);
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

std::optional<message::Authority> VariableReader::authority_of(std::string_view text) {
  const size_t start = storage_.size();
  for (char c : text) storage_ += base::ascii_lower(c);
  return message::parse_authority(stored_since(start));
}

// The server's name and port are what the web server says; Host is what its client says. SERVER_NAME may well be no
// name: nginx's is what server_name says first, "", "_" or a pattern. Then Host is the next best.
VariablesResult VariableReader::read_authority() {
  const std::string_view port = get(KnownVariable::kServerPort);
  const std::optional<uint64_t> number = base::parse_decimal(port);
  if (!port.empty() && (!number || *number > 65535)) return {400, "malformed SERVER_PORT"};
  const std::string_view host = get(KnownVariable::kHost);
  const std::optional<message::Authority> asked = host.empty() ? std::nullopt : authority_of(host);
  if (!host.empty() && !asked) return {400, "malformed HTTP_HOST"};
  const std::string_view name = get(KnownVariable::kServerName);
  const std::optional<message::Authority> named = name == kAnyName ? std::nullopt : authority_of(name);
  request_.server_port = static_cast<uint16_t>(number.value_or(0));
  if (named || asked) {
    const message::Authority& authority = asked ? *asked : *named;
    request_.authority = authority.text;
    request_.server_name = named ? named->host : asked->host;
    if (request_.server_port == 0) request_.server_port = authority.port.value_or(0);
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
  return is_for_the_app(known_variable(name)) && !name.starts_with(kHeaderPrefix) && is_name(name);
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
