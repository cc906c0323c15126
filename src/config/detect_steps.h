// The steps of detect_app, in their order. Each looks at one kind of evidence and gives what it says, or nothing.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/detect.h"
#include "config/python_names.h"
#include "config/reporter.h"

namespace cutwater::config {

// Somebody wrote it down: [tool.fastapi] entrypoint, FLASK_APP, a server in the Procfile's web line, gunicorn.conf.py,
// uwsgi.ini; `folder` is absolute.
std::optional<Detected> detect_declared(const std::string& folder);

// manage.py and the settings it names.
std::optional<Detected> detect_django(const std::string& folder);

std::optional<Detected> detect_passenger(const std::string& folder);

// Names and constructors in files called app.py, wsgi.py and so on; may report CW0302.
std::optional<Detected> detect_by_names(const std::string& folder, Reporter& reporter);

// What a command line that starts gunicorn, uvicorn or another server says: {target, folder it changes to}.
struct ServedBy {
  std::string server;
  std::string target;
  std::string folder;  // relative; "" = where it is
};
std::optional<ServedBy> read_server_command(const std::string& command);

// The words of a shell command; quotes and backslashes understood, "&&" "||" ";" "|" are words of their own.
std::vector<std::string> split_shell_words(const std::string& command);

// The module of a file that may be missing or too large: then empty.
PythonModule read_module_file(const std::string& path);
// "shop.web" below `folder`: its .py file or its package's __init__.py; "" when neither is there.
std::string module_file(const std::string& folder, const std::string& module);

}  // namespace cutwater::config
