#include "codec/cgi_variables/cgi_variables.h"

#include "base/text.h"
#include "message/target.h"

namespace cutwater::codec {
namespace {

constexpr char kNoVariable = 0;

// '-' becomes '_', letters upper-case, digits stay. Any other byte would let two names become one variable.
constexpr char variable_byte(char c) {
  if (c >= 'a' && c <= 'z') return static_cast<char>(c - 32);
  if ((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) return c;
  return c == '-' ? '_' : kNoVariable;
}

bool has_own_variable_or_none(std::string_view name) {
  switch (name.size()) {
    case 5:
      return base::equals_ignoring_case(name, "Proxy");
    case 12:
      return base::equals_ignoring_case(name, "Content-Type");
    case 14:
      return base::equals_ignoring_case(name, "Content-Length");
    default:
      return false;
  }
}

bool came_before(const message::Headers& headers, const message::HeaderField* field) {
  for (const message::HeaderField& earlier : headers) {
    if (&earlier == field) return false;
    if (base::equals_ignoring_case(earlier.name, field->name)) return true;
  }
  return false;
}

// The value of `field` and of all later fields of its name, in `joined` when there are several.
std::string_view join_repeats(const message::Headers& headers, const message::HeaderField* field, std::string& joined) {
  joined.clear();
  bool repeated = false;
  bool behind = false;
  for (const message::HeaderField& other : headers) {
    if (behind && base::equals_ignoring_case(other.name, field->name)) {
      if (!repeated) joined += field->value;
      repeated = true;
      joined += repeated_field_separator(field->name);
      joined += other.value;
    }
    behind |= &other == field;
  }
  return repeated ? std::string_view(joined) : field->value;
}

void header_variables(const message::Headers& headers, VariableSink& sink) {
  std::string name;
  std::string joined;
  for (const message::HeaderField& field : headers) {
    name.clear();
    if (!append_header_variable(field.name, name) || came_before(headers, &field)) continue;
    sink.variable(name, join_repeats(headers, &field, joined));
  }
}

void decimal_variable(std::string_view name, uint64_t number, VariableSink& sink) {
  std::string digits;
  base::append_decimal(digits, number);
  sink.variable(name, digits);
}

}  // namespace

bool append_header_variable(std::string_view header_name, std::string& to) {
  if (header_name.empty() || has_own_variable_or_none(header_name)) return false;
  size_t before = to.size();
  to += "HTTP_";
  for (char c : header_name) {
    char upper = variable_byte(c);
    if (upper == kNoVariable) {
      to.resize(before);
      return false;
    }
    to += upper;
  }
  return true;
}

std::string_view repeated_field_separator(std::string_view header_name) {
  return base::equals_ignoring_case(header_name, "Cookie") ? "; " : ", ";
}

void cgi_variables(const message::Request& request, std::string_view script_name,
                   std::optional<uint64_t> content_length, VariableSink& sink) {
  SplitPath split = split_path(request.path, script_name);
  sink.variable("REQUEST_METHOD", request.method);
  sink.variable("SCRIPT_NAME", split.script_name);
  sink.variable("PATH_INFO", split.path_info);
  sink.variable("QUERY_STRING", request.query);
  if (auto type = request.headers.get("Content-Type")) sink.variable("CONTENT_TYPE", *type);
  if (content_length) decimal_variable("CONTENT_LENGTH", *content_length, sink);
  sink.variable("SERVER_NAME", request.server_name);
  decimal_variable("SERVER_PORT", request.server_port, sink);
  sink.variable("SERVER_PROTOCOL", request.version_minor == 0 ? "HTTP/1.0" : "HTTP/1.1");
  sink.variable("REMOTE_ADDR", request.remote_address);
  decimal_variable("REMOTE_PORT", request.remote_port, sink);
  sink.variable("REQUEST_URI", request.raw_target);
  if (request.scheme == "https") sink.variable("HTTPS", "on");
  header_variables(request.headers, sink);
}

SplitPath split_path(std::string_view path, std::string_view prefix) {
  if (path == "*") return {};
  if (!prefix.empty() && prefix.back() == '/') prefix.remove_suffix(1);
  if (!message::path_has_prefix(path, prefix)) return {{}, path};
  return {path.substr(0, prefix.size()), path.substr(prefix.size())};
}

}  // namespace cutwater::codec
