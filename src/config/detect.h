// Finding the app in a folder without running any of it. Every choice comes with its reason; equally likely candidates
// are an error, never a silent choice.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/model.h"
#include "config/reporter.h"

namespace cutwater::config {

struct Detected {
  std::string root;                                // absolute: what has to be in sys.path
  std::string target;                              // "shop.wsgi:application"
  std::string why;                                 // "manage.py names shop.settings, whose WSGI_APPLICATION it is"
  std::vector<std::string> notes;                  // what else was found, what to know
  std::map<std::string, std::string> environment;  // variables the app needs, such as DJANGO_SETTINGS_MODULE
};

// Looks through `folder`. Nothing, or several equally likely: told to `reporter` (CW0301, CW0302).
std::optional<Detected> detect_app(const std::string& folder, Reporter& reporter);

// The module and the attribute of one Python file; `attribute` may be empty (found by its name and value) or a call.
Detected app_of_file(const std::string& path, const std::string& attribute);

}  // namespace cutwater::config
