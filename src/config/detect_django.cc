#include "config/detect_steps.h"
#include "config/project_files.h"
#include "config/target.h"

namespace cutwater::config {
namespace {

// A text of a settings module, also through its "from .base import *".
std::string settings_text(const std::string& folder, const std::string& module, const std::string& name, int depth) {
  std::string path = module_file(folder, module);
  if (path.empty() || depth > 4) return "";
  PythonModule settings = read_module_file(path);
  if (auto found = settings.texts.find(name); found != settings.texts.end()) return found->second;
  for (const std::string& from : settings.star_imports) {
    size_t dots = from.find_first_not_of('.');
    std::string target = from;
    if (dots != 0 && dots != std::string::npos) {
      // One dot is the package the module is in; a package's __init__.py is its package itself.
      std::string package = module;
      size_t up = path.ends_with("/__init__.py") ? dots - 1 : dots;
      for (; up > 0 && !package.empty(); --up) {
        package = package.substr(0, package.rfind('.') == std::string::npos ? 0 : package.rfind('.'));
      }
      target = (package.empty() ? "" : package + ".") + from.substr(dots);
    }
    if (std::string text = settings_text(folder, target, name, depth + 1); !text.empty()) return text;
  }
  return "";
}

// wsgi.py beside the settings, or one package further up for "shop.settings.production".
std::string wsgi_module_near(const std::string& folder, std::string module) {
  while (module.find('.') != std::string::npos) {
    module = module.substr(0, module.rfind('.'));
    if (is_file(module_file(folder, module + ".wsgi"))) return module + ".wsgi";
  }
  return is_file(folder + "/wsgi.py") ? "wsgi" : "";
}

}  // namespace

std::optional<Detected> detect_django(const std::string& folder) {
  if (!is_file(folder + "/manage.py")) return std::nullopt;
  std::string settings = read_module_file(folder + "/manage.py").django_settings;
  if (settings.empty()) return std::nullopt;
  Detected found;
  found.root = folder;
  std::string path = settings_text(folder, settings, "WSGI_APPLICATION", 0);
  size_t dot = path.rfind('.');
  if (dot != std::string::npos && is_module_name(path)) {
    found.target = path.substr(0, dot) + ":" + path.substr(dot + 1);
    found.why = "manage.py names " + settings + ", whose WSGI_APPLICATION it is";
  } else if (std::string module = wsgi_module_near(folder, settings); !module.empty()) {
    found.target = module + ":application";
    found.why = "manage.py names " + settings + ", and " + module + " is beside it";
  } else {
    found.target = "django.core.wsgi:get_wsgi_application()";
    found.environment["DJANGO_SETTINGS_MODULE"] = settings;
    found.why = "manage.py names " + settings + ", and there is no wsgi.py";
  }
  return found;
}

}  // namespace cutwater::config
