#include "config/detect_scripts.h"

#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "base/text.h"
#include "config/project_files.h"

namespace cutwater::config {
namespace {

constexpr size_t kMostLookedAt = 500;
constexpr size_t kMostShown = 3;

// Whose text is a program or a secret: not sent, wherever in the folder it lies.
constexpr const char* kNeverSent[] = {".py",  ".pyc",  ".pl",     ".pm",      ".cgi", ".fcgi", ".rb",  ".sh",   ".php",
                                      ".inc", ".db",   ".sqlite", ".sqlite3", ".sql", ".ini",  ".cfg", ".conf", ".toml",
                                      ".yml", ".yaml", ".key",    ".pem",     ".log", ".bak",  ".old"};

// Endings of programs, and what runs those that do not say it themselves.
constexpr std::pair<const char*, const char*> kInterpreters[] = {
    {".py", "python3"}, {".pl", "perl"}, {".rb", "ruby"}, {".sh", "sh"}, {".cgi", ""}};

struct ScriptFile {
  std::string name;
  std::string ending;
  bool starts_itself = false;  // executable, with a first line or a format that says how
};

std::string list(const std::vector<std::string>& names) {
  std::string text;
  for (size_t i = 0; i < names.size() && i < kMostShown; ++i) text += (i == 0 ? "" : ", ") + names[i];
  if (names.size() > kMostShown) text += " and " + std::to_string(names.size() - kMostShown) + " more";
  return text;
}

std::vector<std::string> files_of(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename();
    if (name.starts_with('.') || name.ends_with('~') || !is_file(folder + "/" + name)) continue;
    names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  if (names.size() > kMostLookedAt) names.resize(kMostLookedAt);
  return names;
}

bool is_executable(const std::string& path) {
  struct stat status;
  return stat(path.c_str(), &status) == 0 && (status.st_mode & 0111) != 0;
}

std::string ending_of(const std::string& name) {
  const size_t dot = name.rfind('.');
  return dot == std::string::npos || dot == 0 ? "" : name.substr(dot);
}

const char* interpreter_of(const std::string& ending) {
  for (const auto& [known, interpreter] : kInterpreters) {
    if (ending == known) return interpreter;
  }
  return nullptr;
}

bool starts_itself(const std::string& path) {
  if (!is_executable(path)) return false;
  auto text = read_text_file(path);
  return !text || text->starts_with("#!") || text->starts_with("\177ELF");
}

// The user that scripts run as when the folder is root's: nobody who has anything to lose.
std::string user_for(const std::string& folder, std::vector<std::string>& choices) {
  struct stat status;
  if (geteuid() != 0 || stat(folder.c_str(), &status) != 0 || status.st_uid != 0) return "";
  const char* const user = "www-data";
  if (getpwnam(user) == nullptr) return "";
  choices.push_back(std::string("scripts: run as ") + user + ", because root owns " + shown_path(folder));
  return user;
}

class Finder {
 public:
  explicit Finder(const std::string& folder) : folder_(folder) {}

  std::optional<ScriptSite> run() {
    add_cgi_bin();
    const bool is_all = add_folder_itself();
    if (site_.routes.empty()) return std::nullopt;
    if (!is_all && is_file(folder_ + "/index.html")) add_files();
    for (const char* ending : kNeverSent) site_.never_sent.push_back(ending);
    const std::string user = user_for(folder_, site_.choices);
    for (Route& route : site_.routes) {
      if (route.kind == Route::Kind::kCgi) route.cgi.user = user;
    }
    return std::move(site_);
  }

 private:
  // Whatever lies there is a script: what does not start by itself is run by what its ending says.
  void add_cgi_bin() {
    const std::string place = folder_ + "/cgi-bin";
    if (!is_folder(place)) return;
    std::vector<std::string> names = files_of(place);
    std::map<std::string, std::string> interpreters;
    for (const std::string& name : names) {
      const std::string ending = ending_of(name);
      const char* interpreter = interpreter_of(ending);
      if (interpreter == nullptr || *interpreter == '\0' || starts_itself(place + "/" + name)) continue;
      interpreters.emplace(ending, interpreter);
    }
    Route route;
    route.path = "/cgi-bin/";
    route.kind = Route::Kind::kCgi;
    route.cgi.root = place;
    route.cgi.strip = "/cgi-bin";
    route.cgi.interpreters = interpreters;
    std::string choice = "scripts: " + shown_path(place) + "/ at /cgi-bin/";
    choice += names.empty() ? ", empty so far" : ": " + list(names);
    for (const auto& [ending, interpreter] : interpreters) {
      choice += "; *" + ending + " by " + interpreter + ", as some are not executable or have no first line #!";
    }
    site_.choices.push_back(choice);
    site_.routes.push_back(std::move(route));
  }

  // True: its scripts' route sends the other files, too.
  bool add_folder_itself() {
    std::vector<std::string> scripts, not_executable, php;
    std::set<std::string> endings;
    for (const std::string& name : files_of(folder_)) {
      const std::string ending = ending_of(name);
      if (ending == ".php") php.push_back(name);
      if (!is_script(name, ending)) continue;
      if (starts_itself(folder_ + "/" + name)) {
        scripts.push_back(name);
        endings.insert(ending);
      } else {
        not_executable.push_back(name);
      }
    }
    if (!not_executable.empty()) {
      site_.choices.push_back("scripts: " + list(not_executable) +
                              " would be CGI, but cannot be started; to have it run: " +
                              "chmod +x, and a first line such as #!/usr/bin/env python3");
    }
    if (scripts.empty()) return false;
    Route route;
    route.path = "/";
    route.kind = Route::Kind::kCgi;
    route.cgi.root = folder_;
    route.cgi.files = "true";
    route.cgi.suffixes.assign(endings.begin(), endings.end());
    for (const char* index : {"index.cgi", "index.py", "index.pl"}) {
      if (std::find(scripts.begin(), scripts.end(), index) == scripts.end()) continue;
      route.cgi.index = index;
      break;
    }
    site_.choices.push_back("scripts: executable CGI scripts in " + shown_path(folder_) + ": " + list(scripts) +
                            "; the files beside them are sent, but no sources, data or hidden ones");
    site_.routes.push_back(std::move(route));
    return true;
  }

  bool is_script(const std::string& name, const std::string& ending) const {
    if (ending == ".cgi" || interpreter_of(ending) == nullptr) return ending == ".cgi";
    auto text = read_text_file(folder_ + "/" + name);
    return text && is_cgi_source(*text);
  }

  void add_files() {
    Route route;
    route.path = "/";
    route.kind = Route::Kind::kStatic;
    route.static_route = site_.static_routes.size();
    site_.static_routes.push_back({"/", folder_, "index.html", std::nullopt});
    site_.choices.push_back("files: " + shown_path(folder_) +
                            ", because it has an index.html; no sources, data or hidden ones");
    site_.routes.push_back(std::move(route));
  }

  const std::string folder_;
  ScriptSite site_;
};

}  // namespace

bool is_cgi_source(std::string_view text) {
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string line = base::to_ascii_lower(text.substr(0, end));
    const auto has = [&line](const char* word) { return line.find(word) != std::string::npos; };
    if (has("content-type") && (has("print") || has("write") || has("echo") || has("puts"))) return true;
    if (has("cgihandler") || has("import cgi") || has("from cgi") || has("use cgi") || has("require 'cgi'"))
      return true;
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return false;
}

std::optional<ScriptSite> detect_scripts(const std::string& folder) {
  return Finder(folder).run();
}

}  // namespace cutwater::config
