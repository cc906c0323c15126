// What the master tells the operator once it serves.
#pragma once

#include <string>
#include <vector>

#include "config/model.h"
#include "control/messages.h"
#include "supervise/app_spec.h"

namespace cutwater::app {

// "serving shop.wsgi:application (WSGI, Django 5.2) with .venv Python 3.12.1 on http://127.0.0.1:8000; static
// /static/ -> staticfiles/, /media/* -> media/, /favicon.ico -> pub/": routes as route_lines() names them.
std::string serving_line(const supervise::AppSpec& spec, const control::Imported& imported,
                         const std::vector<std::string>& urls, const config::Config& config);

// One for each configured route, in their order: who answers and who is asked before. "static /media/* -> /srv/media",
// "app /shop/* -> web; auth fastcgi 127.0.0.1:9001", "proxy /api/* -> api (10.0.0.5:8000, 10.0.0.6:8000 weight 2)".
std::vector<std::string> route_lines(const config::Config& config);

// Files and nothing else: the serving line names them.
bool is_plain_static(const config::Route& route);

// "shop.wsgi:application (WSGI, Django 5.2)".
std::string app_label(const control::Imported& imported);

// ".venv Python 3.12.1" or "Python 3.11.2 (/usr/bin/python3)".
std::string interpreter_label(const supervise::AppSpec& spec, const std::string& version);

}  // namespace cutwater::app
