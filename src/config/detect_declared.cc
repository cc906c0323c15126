#include <algorithm>

#include "base/text.h"
#include "config/detect_steps.h"
#include "config/document.h"
#include "config/environment.h"
#include "config/project_files.h"
#include "config/target.h"
#include "config/value.h"

namespace cutwater::config {
namespace {

std::vector<std::string> lines_of(const std::string& path) {
  auto text = read_text_file(path);
  return text ? split_list(*text, '\n') : std::vector<std::string>();
}

std::string without_quotes(std::string_view text) {
  text = base::trim_whitespace(text);
  bool quoted = text.size() >= 2 && (text.front() == '"' || text.front() == '\'') && text.back() == text.front();
  return std::string(quoted ? text.substr(1, text.size() - 2) : text);
}

// A variable in a .env file.
std::string dotenv_value(const std::string& path, const std::string& name) {
  for (std::string line : lines_of(path)) {
    while (line.ends_with('\r')) line.pop_back();
    if (line.starts_with("export ")) line = line.substr(7);
    size_t equals = line.find('=');
    if (equals != std::string::npos && base::trim_whitespace(std::string_view(line).substr(0, equals)) == name) {
      return without_quotes(std::string_view(line).substr(equals + 1));
    }
  }
  return "";
}

Detected make(const std::string& folder, const std::string& target, const std::string& why) {
  Detected found;
  found.root = folder;
  found.target = target;
  found.why = why;
  return found;
}

std::optional<Detected> from_fastapi_entrypoint(const std::string& folder) {
  if (!is_file(folder + "/pyproject.toml")) return std::nullopt;
  Reporter ignored;
  Document document = read_document(folder + "/pyproject.toml", ignored);
  const Node* node = &document.root;
  for (const char* key : {"tool", "fastapi", "entrypoint"}) {
    const Entry* entry = node->find(key);
    if (entry == nullptr) return std::nullopt;
    node = &entry->node;
  }
  if (node->text.find(':') == std::string::npos) return std::nullopt;
  return make(folder, node->text, "pyproject.toml has it as [tool.fastapi] entrypoint");
}

// FLASK_APP is a module, a file or either with ":name" or ":factory(...)".
std::optional<Detected> from_flask_app(const std::string& folder) {
  std::string source = "the variable FLASK_APP";
  std::string value = environment_value("FLASK_APP");
  for (const char* file : {".flaskenv", ".env"}) {
    if (!value.empty()) break;
    value = dotenv_value(folder + "/" + file, "FLASK_APP");
    source = "FLASK_APP in " + std::string(file);
  }
  if (value.empty()) return std::nullopt;
  size_t colon = value.find(':');
  std::string module = value.substr(0, colon);
  std::string attribute = colon == std::string::npos ? "" : value.substr(colon + 1);
  std::string path = module.ends_with(".py") ? absolute_path(folder, module) : module_file(folder, module);
  if (path.empty() || !is_file(path)) return std::nullopt;
  Detected found = app_of_file(path, attribute);
  found.why = source + " names it";
  return found;
}

std::optional<Detected> from_procfile(const std::string& folder) {
  for (const std::string& line : lines_of(folder + "/Procfile")) {
    if (!line.starts_with("web:")) continue;
    auto served = read_server_command(line.substr(4));
    if (!served) return std::nullopt;
    std::string root = absolute_path(folder, served->folder);
    return make(is_folder(root) ? root : folder, served->target, "the Procfile serves it with " + served->server);
  }
  return std::nullopt;
}

std::optional<Detected> from_gunicorn_file(const std::string& folder) {
  PythonModule module = read_module_file(folder + "/gunicorn.conf.py");
  std::string target = module.texts["wsgi_app"];
  if (target.empty()) return std::nullopt;
  std::string root = absolute_path(folder, module.texts["chdir"]);
  return make(is_folder(root) ? root : folder, with_attribute(target), "gunicorn.conf.py has it as wsgi_app");
}

// The keys of uwsgi.ini; with uWSGI's placeholders ("%d", "$(HOME)") a value is worth nothing here.
std::string ini_value(const std::vector<std::string>& lines, std::initializer_list<std::string_view> keys) {
  for (const std::string& line : lines) {
    size_t equals = line.find('=');
    if (equals == std::string::npos || line.starts_with('#') || line.starts_with(';')) continue;
    std::string_view key = base::trim_whitespace(std::string_view(line).substr(0, equals));
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) continue;
    std::string value = without_quotes(std::string_view(line).substr(equals + 1));
    while (value.ends_with('\r')) value.pop_back();
    return value.find_first_of("%$") == std::string::npos ? value : "";
  }
  return "";
}

std::optional<Detected> from_uwsgi_file(const std::string& folder) {
  const std::vector<std::string> lines = lines_of(folder + "/uwsgi.ini");
  std::string callable = ini_value(lines, {"callable"});
  std::string root = absolute_path(folder, ini_value(lines, {"chdir"}));
  if (!is_folder(root)) root = folder;
  if (std::string module = ini_value(lines, {"module", "wsgi"}); !module.empty()) {
    bool whole = module.find(':') != std::string::npos || callable.empty();
    return make(root, whole ? with_attribute(module) : module + ":" + callable, "uwsgi.ini has it as module");
  }
  std::string file = ini_value(lines, {"wsgi-file", "file"});
  if (file.empty() || !is_file(absolute_path(root, file))) return std::nullopt;
  Detected found = app_of_file(absolute_path(root, file), callable.empty() ? "application" : callable);
  found.why = "uwsgi.ini has it as wsgi-file";
  return found;
}

}  // namespace

std::optional<Detected> detect_declared(const std::string& folder) {
  for (auto step : {from_fastapi_entrypoint, from_flask_app, from_procfile, from_gunicorn_file, from_uwsgi_file}) {
    if (auto found = step(folder)) return found;
  }
  return std::nullopt;
}

std::optional<Detected> detect_passenger(const std::string& folder) {
  if (!is_file(folder + "/passenger_wsgi.py")) return std::nullopt;
  return make(folder, "passenger_wsgi:application", "passenger_wsgi.py is there");
}

}  // namespace cutwater::config
