// What the master tells the operator once it serves.
#pragma once

#include <string>
#include <vector>

#include "config/model.h"
#include "control/messages.h"
#include "supervise/app_spec.h"

namespace cutwater::app {

// "serving shop.wsgi:application (WSGI, Django 5.2) with .venv Python 3.12.1 on http://127.0.0.1:8000; static
// /static/ -> staticfiles/"
std::string serving_line(const supervise::AppSpec& spec, const control::Imported& imported,
                         const std::vector<std::string>& urls, const std::vector<config::StaticRoute>& routes);

// "proxy /api/* -> api (10.0.0.5:8000, 10.0.0.6:8000 weight 2)": one for each route to servers behind us.
std::vector<std::string> proxy_lines(const config::Config& config);

// "shop.wsgi:application (WSGI, Django 5.2)".
std::string app_label(const control::Imported& imported);

// ".venv Python 3.12.1" or "Python 3.11.2 (/usr/bin/python3)".
std::string interpreter_label(const supervise::AppSpec& spec, const std::string& version);

}  // namespace cutwater::app
