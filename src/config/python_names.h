// What a Python module's top level defines that could be a web app, with a score for how likely it is one:
// known constructor 100, WSGI or ASGI function 95, factory called 90, assigned to app/application 60, a function of
// that name with two arguments (async: three) and no decorator 58, imported under such a name 55, factory defined 30.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace cutwater::config {

inline constexpr int kFactoryScore = 30;

struct PythonName {
  std::string name;  // "app"; of a factory "create_app()"
  int score = 0;
  std::string what;  // "Flask(...)", "imported from shop.web"
  unsigned line = 0;
  bool is_asgi = false;
  std::string module = {};    // of an import: where from, with its leading dots
  std::string original = {};  // and what it is called there
};

struct PythonModule {
  std::vector<PythonName> names;       // best first; of equal ones app and application first, then as in the file
  std::vector<PythonName> demanding;   // factories that need arguments, which nobody here knows: "create_app(config)"
  std::vector<PythonName> under_main;  // under if __name__ == "__main__": not there when imported
  std::map<std::string, std::string> texts;  // NAME = "text"
  std::vector<std::string> imports;          // absolute modules imported anywhere: "shop.models"
  std::vector<std::string> star_imports;     // from X import *, with leading dots
  bool has_relative_imports = false;
  std::string django_settings;  // what DJANGO_SETTINGS_MODULE is set to
};

PythonModule read_python_module(std::string_view source);

// "Flask" -> wsgi and so on, by the last part of the constructor's name or by its whole name ("falcon.App").
enum class Constructor { kUnknown, kWsgi, kAsgi, kFactory, kNoWebApp };
Constructor classify_constructor(std::string_view full_name);

}  // namespace cutwater::config
