#include "config/detect.h"

#include <unistd.h>

#include <filesystem>
#include <set>

#include "config/detect_steps.h"
#include "config/module_place.h"
#include "config/project_files.h"

namespace cutwater::config {
namespace {

std::vector<std::string> python_files(const std::string& folder) {
  std::set<std::string> files;
  std::error_code error;
  for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (it->path().extension() == ".py" && files.size() < 200) files.insert(it->path().filename());
  }
  return {files.begin(), files.end()};
}

// Files are only asked by name what they define; one with an unusual name is not served unasked, but told of.
std::string app_in_another_file(const std::string& folder) {
  constexpr int kSurelyAnApp = 90;
  for (const std::string& file : python_files(folder)) {
    const PythonModule module = read_module_file(folder + "/" + file);
    if (module.names.empty() || module.names.front().score < kSurelyAnApp) continue;
    const PythonName& name = module.names.front();
    return " under a usual name, but " + file + ":" + std::to_string(name.line) + " has " + name.name + ", " +
           name.what + "\n  fix: cutwater serve " + shown_path(folder + "/" + file) + ":" + name.name;
  }
  return "";
}

// Nobody here knows what to give it.
std::string demanding_factory(const std::string& folder) {
  for (const std::string& file : python_files(folder)) {
    const PythonModule module = read_module_file(folder + "/" + file);
    if (module.demanding.empty()) continue;
    const PythonName& name = module.demanding.front();
    const std::string call = name.name.substr(0, name.name.find('(')) + "(\"...\")";
    return " that can be served as it is, but " + file + ":" + std::to_string(name.line) + " has " + name.name + ", " +
           name.what + "\n  fix: cutwater serve '" + shown_path(folder + "/" + file) + ":" + call +
           "', with plain values; or give its arguments defaults";
  }
  return "";
}

// An app could be in what this user may not read.
std::string closed_to_us(const std::string& folder) {
  if (::access(folder.c_str(), R_OK | X_OK) != 0) {
    return ": this user may not look into it\n  fix: let it: chmod +rx " + shown_path(folder);
  }
  for (const std::string& file : python_files(folder)) {
    if (::access((folder + "/" + file).c_str(), R_OK) == 0) continue;
    return ", as far as this user may read; " + file + " is closed to it\n  fix: let it: chmod +r " +
           shown_path(folder + "/" + file);
  }
  return "";
}

// What to tell somebody in whose folder there is no app.
std::string nothing_found(const std::string& folder) {
  const std::string shown = shown_path(folder);
  std::string text = "no app found in " + (shown == "." ? folder : shown);
  if (std::string closed = closed_to_us(folder); !closed.empty()) return text + closed;
  for (const char* place : {"", "/dist", "/public", "/build"}) {
    std::string site = folder + place;
    if (!is_file(site + "/index.html")) continue;
    std::string root = *place == '\0' ? "." : std::string(place).substr(1);
    return text + "; " + shown_path(site + "/index.html") + " makes it look like a site of plain files" +
           "\n  fix: write a cutwater.toml:\n    [[site]]\n    [[site.route]]\n    match = { path = \"/*\" }\n"
           "    static = { root = \"" +
           root + "\" }";
  }
  for (const auto& look : {app_in_another_file, demanding_factory}) {
    if (std::string other = look(folder); !other.empty()) return text + other;
  }
  text +=
      "\n  looked for: Procfile, gunicorn.conf.py, uwsgi.ini, manage.py, passenger_wsgi.py, FLASK_APP, and an app "
      "in wsgi.py, main.py, app.py ... here and in subfolders; for CGI scripts: a folder cgi-bin, *.cgi, and "
      "executable "
      "*.py, *.pl, *.rb, *.sh that write a Content-Type; for PHP: *.php, public/index.php";
  return text + "\n  fix: name it: cutwater serve module:attr (for example shop.wsgi:application)";
}

}  // namespace

PythonModule read_module_file(const std::string& path) {
  auto text = read_text_file(path);
  return text ? read_python_module(*text) : PythonModule();
}

std::string module_file(const std::string& folder, const std::string& module) {
  std::string path = folder + "/" + module;
  for (size_t i = folder.size() + 1; i < path.size(); ++i) {
    if (path[i] == '.') path[i] = '/';
  }
  if (is_file(path + ".py")) return path + ".py";
  return is_file(path + "/__init__.py") ? path + "/__init__.py" : "";
}

std::optional<Detected> detect_app(const std::string& folder, Reporter& reporter) {
  for (auto step : {detect_declared, detect_django, detect_passenger}) {
    if (auto found = step(folder)) return found;
  }
  auto found = detect_by_names(folder, reporter);
  if (!found && !reporter.failed()) reporter.error("CW0301", nothing_found(folder));
  return found;
}

Detected app_of_file(const std::string& path, const std::string& attribute) {
  PythonModule content = read_module_file(path);
  ModulePlace place = place_module(path, "", content);
  Detected found;
  found.root = place.root;
  found.why = "named as TARGET";
  std::string name = attribute;
  if (name.empty() && !content.names.empty()) {
    name = content.names.front().name;
    found.why += "; " + name + " is " + content.names.front().what;
  }
  if (name.empty()) name = "application";
  std::string module = place.module.empty() ? path.substr(path.rfind('/') + 1) : place.module;
  found.target = module + ":" + name;
  return found;
}

}  // namespace cutwater::config
