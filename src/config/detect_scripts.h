// A folder of scripts is a site: what a folder without an app and without a configuration has to be served as (CGI
// scripts, PHP, the files beside them), found without running any of it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/model.h"

namespace cutwater::config {

struct ScriptSite {
  std::vector<Route> routes;
  std::vector<StaticRoute> static_routes;
  std::vector<Pool> pools;
  std::vector<std::string> never_sent;  // endings of sources and of data
  std::vector<std::string> choices;     // what was found, and what becomes of it
};

// nullopt: `folder`, which is absolute, has no scripts. With PHP files but no php-cgi in `path` (as the variable PATH),
// the site is without them, and without anything else has no routes; `choices` says so.
std::optional<ScriptSite> detect_scripts(const std::string& folder, const std::string& path);

// Endings of files whose text is a program, data or a secret: not sent as they are from a folder of scripts.
const std::vector<std::string>& never_sent_endings();

// Whether a program's text reads as a CGI script: it writes a Content-Type itself, or uses a module that is for that.
bool is_cgi_source(std::string_view text);

}  // namespace cutwater::config
