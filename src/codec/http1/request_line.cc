#include "codec/http1/request_line.h"

#include "message/grammar.h"

namespace cutwater::codec::http1 {
namespace {

constexpr std::string_view kVersionPattern = " HTTP/1.1";

constexpr bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

}  // namespace

ParseResult check_version(std::string_view line) {
  if (line == "PRI * HTTP/2.0") return {400, "HTTP/2 preface on an HTTP/1 connection"};
  if (line.size() < kVersionPattern.size()) return {400, "malformed request line"};
  std::string_view version = line.substr(line.size() - kVersionPattern.size());
  if (version.substr(0, 6) != " HTTP/" || !is_digit(version[6]) || version[7] != '.' || !is_digit(version[8])) {
    return {400, "malformed HTTP version"};
  }
  if (version[6] != '1') return {505, "HTTP version not supported"};
  return {};
}

ParseResult split_request_line(std::string_view line, RequestLine& split) {
  if (ParseResult version = check_version(line); version.status != 0) return version;
  split.version_minor = line.back() == '0' ? 0 : 1;
  line.remove_suffix(kVersionPattern.size());

  size_t space = line.find(' ');
  if (space == std::string_view::npos) return {400, "malformed request line"};
  split.method = line.substr(0, space);
  split.target = line.substr(space + 1);
  if (split.method.size() > kLongestMethod || !message::is_token(split.method)) return {400, "malformed method"};
  if (split.target.empty()) return {400, "empty request target"};
  return {};
}

}  // namespace cutwater::codec::http1
