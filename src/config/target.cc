#include "config/target.h"

#include <algorithm>

#include "config/closest.h"
#include "config/detect_scripts.h"
#include "config/detect_steps.h"
#include "config/project_files.h"
#include "config/value.h"

namespace cutwater::config {
namespace {

bool is_identifier(std::string_view word) {
  if (word.empty() || (word.front() >= '0' && word.front() <= '9')) return false;
  for (char c : word) {
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c & 0x80) != 0;
    if (!letter && !(c >= '0' && c <= '9')) return false;
  }
  return true;
}

// Splits "file.py:attr"; the second is "" without a colon. nullopt when it names no Python file.
std::optional<std::pair<std::string, std::string>> split_python_file(const std::string& text) {
  if (text.ends_with(".py")) return std::pair(text, std::string());
  size_t end = text.find(".py:");
  if (end == std::string::npos) return std::nullopt;
  return std::pair(text.substr(0, end + 3), text.substr(end + 4));
}

bool module_exists(const std::string& folder, const std::string& module) {
  std::string path = folder + "/" + module;
  return is_file(path + ".py") || is_folder(path);
}

std::optional<Target> no_such_path(const std::string& what, Reporter& reporter) {
  reporter.error("CW0112", "there is no " + what + "\n  fix: correct the path; it counts from " + current_folder());
  return std::nullopt;
}

// The folder to serve for a script in it: scripts of cgi-bin are found from the one above.
std::string site_of(const std::string& script) {
  const size_t slash = script.rfind('/');
  std::string folder = slash == std::string::npos ? "." : script.substr(0, std::max<size_t>(slash, 1));
  if (folder == "cgi-bin") return ".";
  if (folder.ends_with("/cgi-bin")) folder.resize(folder.size() - std::string_view("/cgi-bin").size());
  return folder;
}

std::optional<Target> only_a_script(const std::string& text, const std::string& what, Reporter& reporter) {
  reporter.error("CW0112", "\"" + text + "\" is " + what + "\n  fix: serve its folder, with all CGI scripts and PHP " +
                               "files there: cutwater serve " + site_of(text));
  return std::nullopt;
}

// One that begins no app, and prints an answer when it is run.
bool is_cgi_script(const std::string& path) {
  auto text = read_text_file(path);
  return text && read_module_file(path).names.empty() && is_cgi_source(*text);
}

std::optional<Target> no_such_target(const std::string& text, Reporter& reporter) {
  if (exists(absolute_path(current_folder(), text))) {
    reporter.error("CW0112", "\"" + text +
                                 "\" is no folder, Python file or TOML file\n  fix: cutwater help serve shows "
                                 "the forms of TARGET");
    return std::nullopt;
  }
  if (text.find('/') != std::string::npos) {
    return no_such_path("\"" + text + "\"", reporter);
  }
  std::string message = "\"" + text + "\" is no folder, Python file, TOML file or module:attr";
  std::string near = closest(text, subfolders(current_folder()));
  if (!near.empty()) message += "; did you mean \"" + near + "\"?";
  reporter.error("CW0112", message + "\n  fix: cutwater help serve shows the forms of TARGET");
  return std::nullopt;
}

}  // namespace

bool is_module_name(std::string_view text) {
  while (true) {
    size_t dot = text.find('.');
    if (!is_identifier(text.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

std::string with_attribute(const std::string& target) {
  return is_module_name(target) && target != "auto" && !target.ends_with(".py") ? target + ":application" : target;
}

std::optional<Target> read_target(const std::string& text, Reporter& reporter) {
  Target target;
  target.folder = current_folder();
  if (text.empty() || text == "auto") return target;
  std::string path = absolute_path(target.folder, text);
  if (is_folder(path)) {
    target.folder = path;
    return target;
  }
  if (text.ends_with(".toml")) {
    target.folder = absolute_path(path, "..");
    target.config_file = text;
    return target;
  }
  if (auto parts = split_python_file(text)) {
    path = absolute_path(target.folder, parts->first);
    if (!is_file(path)) {
      return no_such_path("file " + parts->first, reporter);
    }
    if (parts->second.empty() && is_cgi_script(path)) return only_a_script(text, "a CGI script and no app", reporter);
    target.app = app_of_file(path, parts->second);
    target.folder = target.app->root;
    return target;
  }
  if (is_file(path)) return only_a_script(text, "a file and no Python app", reporter);
  std::string module = text.substr(0, text.find(':'));
  if (!is_module_name(module) || text.ends_with(':')) return no_such_target(text, reporter);
  bool named_attribute = module.size() != text.size();
  bool dotted = module.find('.') != std::string::npos;
  if (!named_attribute && !dotted && !module_exists(target.folder, module)) return no_such_target(text, reporter);
  if (std::string file = named_attribute ? "" : module_file(target.folder, module); !file.empty()) {
    target.app = app_of_file(file, "");
    target.app->root = target.folder;
    target.app->target = module + target.app->target.substr(target.app->target.rfind(':'));
    return target;
  }
  Detected app;
  app.target = with_attribute(text);
  app.why = "named as TARGET";
  target.app = app;
  return target;
}

}  // namespace cutwater::config
