#include "config/route_pattern.h"

#include <algorithm>

#include "config/value.h"

namespace cutwater::config {

bool parse_pattern(const std::string& pattern, Route& route) {
  const bool is_prefix = pattern.ends_with("/*");
  route.exact = !is_prefix;
  route.path = is_prefix ? pattern.substr(0, pattern.size() - 1) : pattern;
  const std::string with_end = route.path + "/";
  return pattern.starts_with('/') && route.path.find_first_of("*?#") == std::string::npos &&
         route.path.find("//") == std::string::npos && with_end.find("/./") == std::string::npos &&
         with_end.find("/../") == std::string::npos;
}

std::string pattern_of(const Route& route) {
  return route.exact ? route.path : route.path + "*";
}

// A path is one pattern alone, so no two others together take what neither does.
bool takes_all_of(const Route& wide, const Route& narrow) {
  if (wide.exact) return narrow.exact && narrow.path == wide.path;
  return (narrow.path + "/").starts_with(wide.path);
}

std::string meant_pattern(std::string written) {
  if (const size_t host = written.find("://"); host != std::string::npos) {
    written = written.substr(std::min(written.find('/', host + 3), written.size()));
  }
  // "/*.php": of what lies below a star nothing but all can be meant.
  const size_t star = written.find('*');
  const bool is_ending = star != std::string::npos && star + 1 < written.size();
  written = written.substr(0, is_ending ? written.rfind('/', star) + 1 : star);
  written = written.substr(0, written.find_first_of("?#"));
  std::string pattern = "/";
  for (const std::string& segment : split_list(written, '/')) {
    if (segment != "." && segment != "..") pattern += segment + "/";
  }
  pattern += '*';
  // Regular expressions and other words of nginx.
  if (pattern.find_first_of("^$\\()[]|~= \t\r\n") != std::string::npos) return "/static/*";
  return pattern;
}

}  // namespace cutwater::config
