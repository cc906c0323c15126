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
    {"", "include user group umask tls acme sites_dir upstream program limit cache redis metrics admin"},
    {"listen", "protocol tls http proxy_protocol group"},
    {"app", "threads loop concurrency max_requests max_memory max_age env_file lifespan ready before_swap hooks limits "
            "sandbox buffer group umask"},
    {"limits", ""},
    {"log", "slow trace rotate"},
    {"shutdown", "delay"},
    {"site", "hosts redirect_from hsts"},
    {"route", "app proxy limit auth allow deny cache try_static redirect respond cgi fastcgi scgi uwsgi headers errors"},
    {"match", "exact regex method header ip not"},
    {"static", "precompressed fallback list"},
};

constexpr std::string_view kCommands =
    "dev explain init import config fmt status top logs reload rollback start stop restart signal scale run drain "
    "undrain upgrade cert dashboard doctor completion gunicorn uwsgi supervisorctl";

constexpr std::string_view kFlags = "domain threads max-requests max-memory max-age env-file compare";

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

bool is_later_command(std::string_view command) { return contains(kCommands, command); }
bool is_later_flag(std::string_view flag) { return contains(kFlags, flag); }

}  // namespace cutwater::config
