#include "config/later.h"

#include <algorithm>

#include "config/value.h"

namespace cutwater::config {
namespace {

struct Names {
  std::string_view where;
  std::string_view keys;
};

constexpr Names kKeys[] = {
    {"", "include user group umask tls acme sites_dir program limit cache redis metrics admin"},
    {"listen", "tls http proxy_protocol"},
    {"app",
     "max_requests max_memory max_age env_file ready before_swap hooks limits "
     "sandbox buffer group umask"},
    {"limits", ""},
    {"log", "slow trace rotate"},
    {"shutdown", "delay"},
    {"site", "hosts redirect_from hsts"},
    {"route", "limit allow deny cache try_static compress redirect respond headers errors"},
    {"match", "exact regex method header ip not"},
    {"static", "precompressed fallback list"},
    {"proxy", "header_up header_down"},
    {"auth", "basic_file"},
    {"filter", ""},
    {"upstream", "discover"},
    {"pool", "group umask limits sandbox max_memory max_age env_file"},
};

constexpr std::string_view kCommands =
    "dev explain init import config fmt status top logs reload rollback start stop restart signal scale run drain "
    "undrain upgrade cert dashboard doctor completion gunicorn uwsgi supervisorctl";

constexpr std::string_view kFlags = "domain max-requests max-memory max-age env-file compare";

// What to do meanwhile, where "remove it" is not all that can be said. `where` is "command", "flag" or as for keys.
struct Meanwhile {
  std::string_view where;
  std::string_view names;
  std::string_view fix;
};

constexpr std::string_view kTls = "put a web server that does TLS in front meanwhile; X-Forwarded-Proto is understood";
constexpr std::string_view kReplacement = "HUP replaces the workers without downtime meanwhile: kill -HUP PID";

constexpr Meanwhile kMeanwhile[] = {
    {"command", "dev", "cutwater serve reloads on change too"},
    {"command", "explain config", "cutwater check says what is served and why"},
    {"command", "init import gunicorn uwsgi supervisorctl",
     "cutwater help settings shows what a cutwater.toml may say"},
    {"command", "fmt doctor", "cutwater check finds what is wrong"},
    {"command", "logs", "messages go to stderr and the access log to stdout, unless [log] names files"},
    {"command", "reload", "kill -HUP PID reloads without downtime, PID being that of cutwater serve"},
    {"command", "rollback", "put the older code back: it is reloaded without downtime"},
    {"command", "stop drain", "kill -TERM PID finishes what runs and ends, PID being that of cutwater serve"},
    {"command", "restart upgrade", "kill -TERM PID, then cutwater serve again"},
    {"command", "start", "cutwater serve"},
    {"command", "scale",
     "kill -TTIN PID is one worker more, kill -TTOU PID one less, PID being that of cutwater serve"},
    {"command", "run", "run the command with the app's own Python, in its folder"},
    {"command", "cert", kTls},
    {"flag", "domain", "-b :80, and a web server that does TLS in front meanwhile"},
    {"", "user", "use user in [app.NAME], and front_user for the front"},
    {"", "tls acme", kTls},
    {"", "program", "let systemd or supervisor run it meanwhile"},
    {"", "include", "write everything into this file"},
    {"listen", "tls http", kTls},
    {"app", "max_requests max_memory max_age", kReplacement},
    {"app", "env_file", "write the variables into env"},
    {"log", "rotate", "logrotate can rename the file and send USR1 meanwhile"},
    {"match", "exact", "path takes a whole path too: \"/health\""},
    {"match", "regex", "path takes the beginning of a path: \"/static/*\""},
    {"upstream", "discover", "name the servers; their names are looked up at start"},
};

bool contains(std::string_view names, std::string_view name) {
  TextList all = split_list(names, ' ');
  return std::find(all.begin(), all.end(), name) != all.end();
}

}  // namespace

bool is_later_key(std::string_view where, std::string_view key) {
  for (const Names& names : kKeys) {
    if (names.where == where) return contains(names.keys, key);
  }
  return false;
}

std::string later_fix(std::string_view where, std::string_view name) {
  std::string remove = "remove it; ";
  if (where == "command") remove.clear();
  if (where == "flag") remove = "leave it away; ";
  if (where == "variable") remove = "unset it; ";
  for (const Meanwhile& meanwhile : kMeanwhile) {
    if (meanwhile.where == (where == "variable" ? "flag" : where) && contains(meanwhile.names, name))
      return remove + std::string(meanwhile.fix);
  }
  return where == "command" ? "cutwater help lists the commands there are" : remove.substr(0, remove.size() - 2);
}

bool is_later_command(std::string_view command) {
  return contains(kCommands, command);
}
bool is_later_flag(std::string_view flag) {
  return contains(kFlags, flag);
}

}  // namespace cutwater::config
