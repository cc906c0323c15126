#include "config/detect_scripts.h"

#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "base/text.h"
#include "config/project_files.h"

namespace cutwater::config {
namespace {

constexpr size_t kMostLookedAt = 500;
constexpr size_t kMostShown = 3;
constexpr size_t kMostBroken = 8;

// Whose text is a program, data or a secret: not sent, wherever in the folder it lies.
const std::vector<std::string> kNeverSent = {
    ".py",     ".pyc",  ".pl",   ".pm",     ".cgi",  ".fcgi",   ".rb",      ".sh",  ".php", ".php5", ".phar",
    ".phtml",  ".phps", ".inc",  ".module", ".db",   ".sqlite", ".sqlite3", ".sql", ".ini", ".cfg",  ".conf",
    ".toml",   ".yml",  ".yaml", ".env",    ".key",  ".pem",    ".p12",     ".pfx", ".jks", ".dat",  ".pkl",
    ".passwd", ".log",  ".bak",  ".old",    ".orig", ".save",   ".swp",     ".dist"};

// Where applications put what clients send them, what they make themselves, and others' libraries: nothing there was
// meant to be run by a client, and a script that somebody managed to upload is what a break-in begins with.
constexpr const char* kNeverRun[] = {"uploads", "upload", "files", "media", "storage", "cache", "tmp", "vendor"};

// Endings of programs, and what runs those that do not say it themselves.
constexpr std::pair<const char*, const char*> kInterpreters[] = {
    {".py", "python3"}, {".pl", "perl"}, {".rb", "ruby"}, {".sh", "sh"}, {".cgi", ""}};

struct ScriptFile {
  std::string name;
  std::string ending;
  bool starts_itself = false;  // executable, with a first line or a format that says how
};

std::string list(const std::vector<std::string>& names, size_t most = kMostShown) {
  std::string text;
  for (size_t i = 0; i < names.size() && i < most; ++i) text += (i == 0 ? "" : ", ") + names[i];
  if (names.size() > most) text += " and " + std::to_string(names.size() - most) + " more";
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
std::string user_for(const std::string& folder) {
  struct stat status;
  if (geteuid() != 0 || stat(folder.c_str(), &status) != 0 || status.st_uid != 0) return "";
  const char* const user = "www-data";
  return getpwnam(user) == nullptr ? "" : user;
}

bool may_run(const struct stat& status, bool is_text, const std::string& user) {
  const passwd* const entry = user.empty() ? nullptr : getpwnam(user.c_str());
  const mode_t needed = is_text ? S_IROTH | S_IXOTH : S_IXOTH;
  if (entry == nullptr) return true;
  const unsigned shift = status.st_uid == entry->pw_uid ? 6 : status.st_gid == entry->pw_gid ? 3 : 0;
  return ((status.st_mode >> shift) & needed) == needed;
}

// The program that a first line such as "#!/usr/bin/env python3" names.
std::string program_of(std::string_view line) {
  line.remove_prefix(2);
  const auto next = [&line] {
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
    const std::string_view word = line.substr(0, line.find_first_of(" \t"));
    line.remove_prefix(word.size());
    return std::string(word);
  };
  return next();
}

// Why the system would not start it, "" if it would.
std::string what_is_wrong(const std::string& folder, const std::string& name, const std::string& user) {
  const std::string path = folder + "/" + name;
  std::error_code error;
  const std::string real = std::filesystem::canonical(path, error);
  if (error || !real.starts_with(std::filesystem::canonical(folder, error).string() + "/")) {
    return "a link that leads out of the folder";
  }
  struct stat status;
  if (stat(path.c_str(), &status) != 0 || (status.st_mode & 0111) == 0) return "not executable: chmod +x";
  const auto text = read_text_file(path);
  const bool is_text = text && text->starts_with("#!");
  if (!may_run(status, is_text, user)) return "not for " + user + ": chmod o+rx";
  if (text && !is_text && !text->starts_with("\177ELF")) return "has no first line such as #!/bin/sh";
  if (!is_text) return "";
  const std::string line = text->substr(0, text->find('\n'));
  if (line.ends_with('\r')) return "its first line ends as on Windows: sed -i 's/\\r$//'";
  const std::string program = program_of(line);
  return is_file(program) ? "" : "its first line names " + program + ", which is not there";
}

class Finder {
 public:
  Finder(const std::string& folder, const std::string& path) : folder_(folder), path_(path), user_(user_for(folder)) {}

  std::optional<ScriptSite> run() {
    add_cgi_bin();
    find_scripts();
    add_scripts();
    const std::string php_folder = find_php();
    const bool has_php = !php_folder.empty() && add_php(php_folder);
    if (site_.routes.empty() && site_.choices.empty()) return std::nullopt;
    if (!has_php && (!scripts_.empty() || (!site_.routes.empty() && is_file(folder_ + "/index.html")))) add_files();
    site_.never_sent = kNeverSent;
    if (!user_.empty()) {
      site_.choices.push_back("scripts: run as " + user_ + ", because root owns " + shown_path(folder_));
    }
    if (!broken_.empty()) site_.choices.push_back("scripts: cannot run as they are: " + list(broken_, kMostBroken));
    for (Route& route : site_.routes) {
      if (route.kind == Route::Kind::kCgi) route.cgi.user = user_;
    }
    for (Pool& pool : site_.pools) pool.user = user_;
    return std::move(site_);
  }

 private:
  // Whatever lies there is a script, if it starts by itself. What does not, and reads as CGI, is run by what its ending
  // says: each by its own name, since what else lies there and is not executable need not be meant for clients.
  void add_cgi_bin() {
    const std::string place = folder_ + "/cgi-bin";
    if (!is_folder(place)) return;
    std::vector<std::string> names = files_of(place);
    Route route;
    route.kind = Route::Kind::kCgi;
    route.cgi.root = place;
    route.cgi.strip = "/cgi-bin";
    std::map<std::string, std::vector<std::string>> by_interpreter;
    for (const std::string& name : names) {
      const std::string ending = ending_of(name);
      const char* interpreter = interpreter_of(ending);
      if (starts_itself(place + "/" + name) || ending == ".cgi") note_what_is_wrong(place, name);
      if (interpreter == nullptr || *interpreter == '\0') continue;
      if (starts_itself(place + "/" + name) || !is_script(place, name, ending)) continue;
      route.path = "/cgi-bin/" + name + "/";
      route.cgi.suffixes = {ending};
      route.cgi.interpreters = {{ending, interpreter}};
      site_.routes.push_back(route);
      by_interpreter[interpreter].push_back(name);
    }
    std::string choice = "scripts: " + shown_path(place) + "/ at /cgi-bin/";
    choice += names.empty() ? ", empty so far" : ": " + list(names);
    for (const auto& [interpreter, its] : by_interpreter) {
      choice += "; " + list(its) + " by " + interpreter + ", not executable or without a first line #!";
    }
    site_.choices.push_back(choice);
    route.path = "/cgi-bin/";
    route.cgi.suffixes.clear();
    route.cgi.interpreters.clear();
    site_.routes.push_back(std::move(route));
  }

  void note_what_is_wrong(const std::string& place, const std::string& name) {
    const std::string why = what_is_wrong(place, name, user_);
    if (!why.empty()) broken_.push_back(name + " (" + why + ")");
  }

  // In the folder itself.
  void find_scripts() {
    std::vector<std::string> not_executable;
    for (const std::string& name : files_of(folder_)) {
      if (!is_script(folder_, name, ending_of(name))) continue;
      (starts_itself(folder_ + "/" + name) ? scripts_ : not_executable).push_back(name);
    }
    if (not_executable.empty()) return;
    site_.choices.push_back("scripts: " + list(not_executable) +
                            " would be CGI, but cannot be started; to have it run: chmod +x, and a first line such as "
                            "#!/usr/bin/env python3");
  }

  // Each by its own name, which was looked at: what else can be executed here need not be meant for clients.
  void add_scripts() {
    if (scripts_.empty()) return;
    Route route;
    route.kind = Route::Kind::kCgi;
    route.cgi.root = folder_;
    for (const std::string& name : scripts_) {
      note_what_is_wrong(folder_, name);
      route.path = "/" + name + "/";
      route.cgi.suffixes = {ending_of(name)};
      site_.routes.push_back(route);
    }
    for (const char* index : {"index.cgi", "index.py", "index.pl"}) {
      if (std::find(scripts_.begin(), scripts_.end(), index) == scripts_.end()) continue;
      route.path = "/";
      route.exact = true;
      route.cgi.suffixes = {ending_of(index)};
      route.cgi.index = index;
      site_.routes.push_back(route);
      break;
    }
    site_.choices.push_back("scripts: executable CGI scripts in " + shown_path(folder_) + ": " + list(scripts_) +
                            "; another one is known after a restart, in cgi-bin/ at once");
  }

  // The folder whose PHP files clients ask for; "" without any. Frameworks keep them in public/, and the rest beside
  // it.
  std::string find_php() const {
    const auto has_php = [](const std::string& folder) {
      const std::vector<std::string> names = files_of(folder);
      return std::any_of(names.begin(), names.end(), [](const std::string& name) { return name.ends_with(".php"); });
    };
    if (is_file(folder_ + "/public/index.php")) return folder_ + "/public";
    return has_php(folder_) ? folder_ : "";
  }

  bool add_php(const std::string& place) {
    const std::string program = find_php_cgi();
    if (program.empty()) {
      site_.choices.push_back("php: " + shown_path(place) +
                              " has PHP files, and there is no php-cgi in PATH\n  fix: apt install php-cgi; or write a "
                              "route to php-fpm: fastcgi = { to = \"unix:/run/php/php-fpm.sock\", root = ... }");
      return false;
    }
    Pool& pool = site_.pools.emplace_back();
    pool.name = "php";
    pool.command = {program};
    pool.root = folder_;
    Route route;
    route.path = "/";
    route.kind = Route::Kind::kProxy;
    route.proxy.protocol = "fastcgi";
    route.proxy.pool = pool.name;
    route.proxy.root = place;
    route.proxy.files = "true";
    close_folders(route.proxy, place);
    std::string choice =
        "php: the scripts of " + shown_path(place) + " by " + program + ", started when they are asked for";
    if (routes_by_itself(place)) {
      route.proxy.fallback = "/index.php";
      choice += "; index.php answers for every path without a file";
    }
    site_.choices.push_back(choice + "; other files are sent, but no sources, data or hidden ones");
    site_.routes.push_back(std::move(route));
    return true;
  }

  void close_folders(ProxyRoute& php, const std::string& place) {
    php.closed = closed_folders(place);
    if (!php.closed.empty()) {
      site_.choices.push_back("php: nothing is run or sent of " + list(php.closed) +
                              ", where an .htaccess closes something; nothing else in such files counts here");
    }
    // Composer's: sources of libraries. Another folder of that name may hold styles and fonts.
    if (is_file(place + "/vendor/autoload.php")) {
      php.closed.push_back("vendor");
      site_.choices.push_back("php: nothing is run or sent of vendor, which is Composer's");
    }
    std::string names;
    for (const char* name : kNeverRun) {
      php.never_run.push_back(name);
      names += (names.empty() ? "" : ", ") + std::string(name);
    }
    site_.choices.push_back(
        "php: no script is run in folders of these names or below them, as what clients upload, and "
        "libraries, lie there: " +
        names + "; their other files are sent");
  }

  // A front controller: by where it lies, by what a known application has beside it, or by what Apache is told.
  bool routes_by_itself(const std::string& place) const {
    if (!is_file(place + "/index.php")) return false;
    if (place != folder_ || is_file(place + "/wp-load.php")) return true;
    auto rules = read_text_file(place + "/.htaccess");
    return rules && rules->find("index.php") != std::string::npos && rules->find("Rewrite") != std::string::npos;
  }

  // Where Apache is told to send or run nothing, or not all: that is how applications keep clients from their data.
  static std::vector<std::string> closed_folders(const std::string& place) {
    constexpr int kDeepest = 5;
    constexpr size_t kMost = 20000;
    std::vector<std::string> closed;
    std::error_code error;
    size_t seen = 0;
    const auto options = std::filesystem::directory_options::skip_permission_denied;
    for (std::filesystem::recursive_directory_iterator it(place, options, error), end; !error && it != end;
         it.increment(error)) {
      if (++seen > kMost) break;
      if (it.depth() >= kDeepest) it.disable_recursion_pending();
      if (it.depth() == 0 || it->path().filename() != ".htaccess") continue;
      auto rules = read_text_file(it->path());
      const std::string lower = rules ? base::to_ascii_lower(*rules) : "deny from all";
      for (const char* word : {"deny from all", "all denied", "engine off", "removehandler", "sethandler none"}) {
        if (lower.find(word) == std::string::npos) continue;
        closed.push_back(it->path().parent_path().string().substr(place.size() + 1));
        break;
      }
    }
    std::sort(closed.begin(), closed.end());
    return closed;
  }

  std::string find_php_cgi() const {
    std::string_view rest = path_;
    while (!rest.empty()) {
      const size_t colon = rest.find(':');
      const std::string file = std::string(rest.substr(0, colon)) + "/php-cgi";
      if (file.starts_with('/') && is_file(file) && is_executable(file)) return file;
      rest.remove_prefix(colon == std::string_view::npos ? rest.size() : colon + 1);
    }
    return "";
  }

  static bool is_script(const std::string& folder, const std::string& name, const std::string& ending) {
    if (ending == ".cgi" || interpreter_of(ending) == nullptr) return ending == ".cgi";
    auto text = read_text_file(folder + "/" + name);
    return text && is_cgi_source(*text);
  }

  void add_files() {
    Route route;
    route.path = "/";
    route.kind = Route::Kind::kStatic;
    route.static_route = site_.static_routes.size();
    site_.static_routes.push_back({"/", folder_, "index.html", std::nullopt});
    site_.choices.push_back("files: " + shown_path(folder_) +
                            " as they are; no sources, data, hidden ones or ones without an ending");
    site_.routes.push_back(std::move(route));
  }

  const std::string folder_;
  const std::string path_;
  const std::string user_;            // "": the owner of each folder
  std::vector<std::string> scripts_;  // of the folder itself
  std::vector<std::string> broken_;   // those that cannot run, and why
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

std::optional<ScriptSite> detect_scripts(const std::string& folder, const std::string& path) {
  return Finder(folder, path).run();
}

const std::vector<std::string>& never_sent_endings() {
  return kNeverSent;
}

}  // namespace cutwater::config
