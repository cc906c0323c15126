// The folders of routes: static files, scripts, and what servers and apps may name instead of sending it.
#pragma once

#include <string>
#include <vector>

#include "config/model.h"

namespace cutwater::app {

struct RouteFolder {
  std::string what;                  // "static files at /static/", for messages
  std::string path;                  // absolute
  std::string fix;                   // what to do when it is not there: "correct `root` of that route"
  bool is_run_by_us = false;         // of `cgi`
  bool holds_scripts_alone = false;  // of these: every file in it
};

// Those of config.static_routes, then those of the routes that have scripts, each in their order, then those of
// sendfile_folders(): their places are the numbers that processes call them by.
std::vector<RouteFolder> route_folders(const config::Config& config);

}  // namespace cutwater::app
