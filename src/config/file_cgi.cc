// Routes to CGI scripts.
#include <algorithm>

#include "config/file_reader.h"
#include "config/route_pattern.h"

namespace cutwater::config {

namespace {

constexpr const char* kExample = "cgi = { dir = \"/srv/cgi-bin\" }";

bool is_script(const CgiRoute& cgi, const std::string& name) {
  return cgi.suffixes.empty() || std::any_of(cgi.suffixes.begin(), cgi.suffixes.end(),
                                             [&name](const std::string& ending) { return name.ends_with(ending); });
}

}  // namespace

bool FileReader::read_cgi(const Entry& entry, Route& route) {
  route.kind = Route::Kind::kCgi;
  if (!expect(entry.node, Node::Type::kTable, "cgi", kExample)) return false;
  CgiRoute& cgi = route.cgi;
  Scope scope{.cgi = &cgi};
  store_defaults(Section::kCgi, scope);
  read_section(Section::kCgi, entry.node, scope, "cgi", section_title(Section::kCgi), "cgi");
  if (entry.node.find("dir") == nullptr) {
    error("CW0109", entry.position, "cgi has no dir", kExample);
    return false;
  }
  while (cgi.root.size() > 1 && cgi.root.ends_with('/')) cgi.root.pop_back();
  const Entry* index = entry.node.find("index");
  if (index != nullptr && !cgi.index.empty() &&
      (cgi.index.find('/') != std::string::npos || !is_script(cgi, cgi.index))) {
    error("CW0103", index->node.position, "cgi.index: " + quoted(cgi.index) + " is not the name of a script",
          "write for example index = \"index.cgi\"");
    return false;
  }
  const Entry* files = entry.node.find("files");
  if (files != nullptr && cgi.files == "true" && cgi.suffixes.empty()) {
    error("CW0103", files->node.position, "cgi.files: needs suffixes; without them every file is a script",
          "write suffixes = [\".py\"], or remove it");
    return false;
  }
  const std::string whole = route.path.substr(0, route.path.rfind('/'));
  const Entry* strip = entry.node.find("strip");
  if (strip == nullptr) cgi.strip = whole;
  if (strip == nullptr || route.path.empty() || (whole + "/").starts_with(cgi.strip + "/")) return true;
  error("CW0103", strip->node.position,
        "cgi.strip: " + quoted(cgi.strip) + " is not the beginning of match.path " + quoted(pattern_of(route)) +
            ", or is all of it",
        "leave strip away, or write strip = " + quoted(whole));
  return false;
}

}  // namespace cutwater::config
